"""Layer-by-layer randomisation of a model, for the sanity check of saliency maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.checks import check_at_least


def randomised_models(
    model: nn.Module, seed: int = 0, stages: int | None = None
) -> Iterator[tuple[str, nn.Module]]:
    """Yield copies of a model with more and more layers re-initialised, from the output on.

    This is the cascading randomisation of Adebayo et al. (2018). A map that shows what the model
    has learned changes with it; a map that does not is an edge detector. In each copy, the named
    layer and all layers nearer the output are untrained, the others trained.

    A layer is a module with its own tensors. Layers follow the reverse order of registration, as
    in Quantus, which is that of execution in nearly all models; a container's own tensors, such as
    a class token, come after its content.

    - A layer is re-initialised by its own ``reset_parameters`` (or ``_reset_parameters``, as in
      ``nn.MultiheadAttention``): PyTorch's defaults, not those of the model's constructor. In batch
      normalisation it also resets the running statistics, which describe the old weights.
    - Parameters that this does not change, or without such a method (class tokens, position
      embeddings, layer scales, parametrised weights), are shuffled: they keep their values and
      lose their content. A single number is kept.

    Random numbers only depend on ``seed`` and the layer's position, not on the device or
    ``stages``. The global generators are not changed.

    Args:
        model: any module, which is not changed; the copies have its mode.
        seed: of the new weights, non-negative.
        stages: number of copies, evenly spaced over the layers, the last with all layers
            random; None, or more than the number of layers, gives a copy per layer.

    Yields:
        The name of the last randomised layer, nearest the input, and the copy, which the caller
        may change. The model's own tensors have the name ``"model"``.

    Raises:
        InputError: the model has no layer to randomise or cannot be copied, or ``seed`` or
            ``stages`` is out of range.
    """
    check_at_least(0, seed=seed)
    if stages is not None:
        check_at_least(1, stages=stages)
    try:
        current = deepcopy(model)
    except (RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"the model ({type(model).__name__}) cannot be copied for its randomisation ({reason})"
        ) from error
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
    ends = {stage * len(layers) // stages for stage in range(1, stages + 1)}
    for position, (name, layer) in enumerate(layers):
        _randomise(layer, seed, position)
        if position + 1 in ends:
            # The next stage continues with `current`; the caller may keep or change the copy.
            yield name, deepcopy(current)


@torch.no_grad()
def _randomise(module: nn.Module, seed: int, position: int) -> None:
    """Re-initialise one module's own tensors, in place."""
    device = (_parameters(module) + _buffers(module))[0].device
    module.to("cpu")  # random numbers are the same on every machine
    before = [parameter.clone() for parameter in _parameters(module)]
    reset = _reset(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([seed, position]).generate_state(1)[0]))
        if reset is not None:
            reset()
        for parameter, trained in zip(_parameters(module), before, strict=True):
            if torch.equal(parameter, trained):
                order = torch.randperm(trained.numel())
                parameter.copy_(trained.flatten()[order].view_as(trained))
    module.to(device)


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
