"""Models whose trained weights are destroyed layer by layer: the sanity check of saliency maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from scaat.errors import InputError


def randomised_models(
    model: nn.Module, seed: int = 0, stages: int | None = None
) -> Iterator[tuple[str, nn.Module]]:
    """Yield copies of a model with ever more layers re-initialised, from the output on.

    The cascading randomisation of Adebayo et al. (2018): a saliency map that shows what the
    model has learned changes with it, and one that stays is an edge detector. Each copy has
    the named layer and all layers nearer the output as before training, the rest as trained.

    A layer is a module with tensors of its own. Layers are taken in reverse order of their
    registration in the model, which is the order of execution in nearly all models (as Quantus
    does; a container's own tensors, such as a class token, come after all that it contains).

    - A layer is re-initialised by its own ``reset_parameters`` (or ``_reset_parameters``, as in
      ``nn.MultiheadAttention``): PyTorch's defaults, not those of the model's constructor.
    - Parameters that this leaves as they were, and those of modules without it (class tokens,
      position embeddings, layer scales, weights behind a parametrisation) are shuffled: their
      values, and so their scale, stay, what they encode is lost. A single number is kept.
    - Batch normalisation forgets its running statistics too: they describe activations of the
      weights that are gone (its ``reset_parameters`` does so; Quantus likewise).

    Random numbers are drawn on the CPU from ``seed`` and the layer's position alone, so neither
    the device nor ``stages`` changes a layer's new weights, and the global generators are left
    as they were.

    Args:
        model: any module; neither it nor its mode is changed, and the copies have its mode.
        seed: of the new weights, non-negative.
        stages: how many copies to make, evenly spaced over the layers, the last with all of them
            random; None, or more than there are layers, is a copy for every layer.

    Yields:
        The name of the layer randomised last, nearest the input, and the copy, which is the
        caller's own. The name of the model's own tensors is ``"model"``.

    Raises:
        InputError: the model has no layer to randomise or cannot be copied, or ``seed`` or
            ``stages`` is out of range.
    """
    if seed < 0:
        raise InputError(f"the seed of the random weights must be 0 or more, found {seed}")
    if stages is not None and stages < 1:
        raise InputError(f"stages of the randomisation must be 1 or more, found {stages}")
    current = _copy(model)
    layers = [
        (name or "model", module)
        for name, module in current.named_modules()
        if _parameters(module) or (_reset(module) and _buffers(module))
    ][::-1]
    if not layers:
        raise InputError(
            f"the model ({type(model).__name__}) has no parameters, expected some to randomise"
        )
    return _cascade(current, layers, seed, min(stages or len(layers), len(layers)))


def _cascade(
    current: nn.Module, layers: list[tuple[str, nn.Module]], seed: int, stages: int
) -> Iterator[tuple[str, nn.Module]]:
    done = 0
    for stage in range(1, stages + 1):
        end = stage * len(layers) // stages
        for position in range(done, end):
            _randomise(layers[position][1], seed, position)
        done = end
        # The next stage goes on with `current`; the caller may keep or change the copy.
        yield layers[end - 1][0], deepcopy(current)


@torch.no_grad()
def _randomise(module: nn.Module, seed: int, position: int) -> None:
    """Re-initialise one module's own tensors, in place."""
    device = (_parameters(module) + _buffers(module))[0].device
    module.to("cpu")  # where random numbers are the same on every machine
    before = [parameter.clone() for parameter in _parameters(module)]
    reset = _reset(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([seed, position]).generate_state(1)[0]))
        if reset is not None:
            reset()
        for parameter, trained in zip(_parameters(module), before, strict=True):
            if torch.equal(parameter, trained):
                parameter.copy_(_shuffled(trained))
    module.to(device)


def _shuffled(values: Tensor) -> Tensor:
    return values.flatten()[torch.randperm(values.numel())].view_as(values)


def _parameters(module: nn.Module) -> list[Tensor]:
    return list(module.parameters(recurse=False))


def _buffers(module: nn.Module) -> list[Tensor]:
    return list(module.buffers(recurse=False))


def _reset(module: nn.Module) -> Callable[[], None] | None:
    for name in ("reset_parameters", "_reset_parameters"):
        method: Callable[[], None] | None = getattr(module, name, None)
        if callable(method):
            return method
    return None


def _copy(model: nn.Module) -> nn.Module:
    try:
        return deepcopy(model)
    except (RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"the model ({type(model).__name__}) cannot be copied for its randomisation ({reason})"
        ) from error
