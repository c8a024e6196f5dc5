"""Weights from a file into a model, without executing code from the file."""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.models.classifier import Classifier, head_names
from scaat.models.registry import build_model

NESTS = ("state_dict", "model_state_dict", "model")
"""Where training programs put the weights among other things."""

PREFIXES = ("module.", "_orig_mod.", "model.")
"""What `DistributedDataParallel`, `torch.compile` and Lightning modules put before each name."""

NETWORK = "network."
"""What `build_model` puts before the names of a network's weights."""

_SHOWN = 3  # names of weights in a message


def load_model(
    checkpoint: Path,
    name: str,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    adapter: str = "auto",
) -> nn.Module:
    """Build a model and fill it with the weights of a checkpoint.

    The file is what ``torch.save(network.state_dict(), file)`` writes, or holds that under one of
    `NESTS`, or is a ``.safetensors`` file. Nothing in it is executed (``weights_only=True``).
    Prefixes of all names that training programs add, `PREFIXES`, are cut where the names then fit.

    Args:
        checkpoint: The file.
        name: The network; this and the rest as for `build_model`.
        num_classes: Number of classes. For two the network may have a single logit, which the
            weights show.
        image_size: Height and width of the images, in pixels.
        mean: Mean of each channel, for images in [0, 1]; None if the network normalises itself.
        std: Standard deviation of each channel, or None.
        adapter: See `find_adapter`.

    Returns:
        In evaluation mode, on the CPU; maps images (N, C, H, W) in [0, 1] to logits (N,
        num_classes).

    Raises:
        InputError: The file is damaged, holds anything but tensors and plain values, or its weights
            do not fit the network; or as for `build_model`.
    """
    state = find_weights(read_checkpoint(checkpoint), checkpoint)
    build = partial(build_model, name, image_size=image_size, mean=mean, std=std, adapter=adapter)
    model = build(num_classes=num_classes)
    weights = without_prefix(state, model.get_submodule("network"))
    if num_classes == 2 and _of_one_logit(weights, model.get_submodule("network")):
        model = build(num_classes=1)
    what = f"{name} with {num_classes} classes"
    load_weights(model.get_submodule("network"), weights, checkpoint, what)
    return model.eval()


def read_checkpoint(path: Path) -> Any:
    """Return the tensors and plain values in a file of PyTorch or safetensors, on the CPU.

    A file that cannot be read, is damaged, or refers to code is an `InputError`.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(_unreadable(path, error)) from error
    try:
        with file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats; what matters fails
            return torch.load(file, weights_only=True, map_location="cpu")
    except Exception as error:  # the unpickler raises nearly anything on foreign bytes
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code or "TorchScript" in str(error):
            held = f"refers to code ({code[1]})" if code else "is a TorchScript program"
            raise InputError(
                f"checkpoint {str(path)!r} {held}, which is never executed; expected tensors and "
                "plain values, as torch.save(model.state_dict(), file) writes"
            ) from error
        raise InputError(
            f"checkpoint {str(path)!r} is damaged, truncated or not of PyTorch; expected a file "
            "that torch.save wrote"
        ) from error


def find_weights(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the weights by name in what `read_checkpoint` returned; `InputError` without any."""
    nested = [content.get(nest) for nest in NESTS] if isinstance(content, Mapping) else []
    for state in (content, *nested):
        named = isinstance(state, Mapping) and all(isinstance(w, Tensor) for w in state.values())
        if named and state:
            return {str(name): weight for name, weight in state.items()}
    if isinstance(content, Mapping):
        held = _listed([repr(key) for key in content]) if content else "nothing"
    else:
        held = f"a {type(content).__name__}"
    raise InputError(
        f"checkpoint {str(path)!r} holds {held}; expected named tensors, at the top or under "
        f"{', '.join(map(repr, NESTS))}"
    )


def without_prefix(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Return the weights under the names nearest to those of ``network``, cutting `PREFIXES`.

    A prefix is cut only where every name has it; of equally near names the longest stay. Of a
    model of ours the network's part is taken.
    """
    cuts = [state]
    own = {name: weight for name, weight in state.items() if name.startswith(NETWORK)}
    if own:
        cuts.append({name.removeprefix(NETWORK): weight for name, weight in own.items()})
    while prefix := next((p for p in PREFIXES if all(n.startswith(p) for n in cuts[-1])), None):
        cuts.append({name.removeprefix(prefix): weight for name, weight in cuts[-1].items()})
    return min(cuts, key=lambda cut: sum(map(len, _differences(cut, network))))


def _of_one_logit(state: Mapping[str, Tensor], network: nn.Module) -> bool:
    """Whether weights differ from those of a network with two logits only as one logit's would."""
    expected = network.state_dict()
    differing = [
        (weight.shape, expected[name].shape)
        for name, weight in state.items()
        if name in expected and weight.shape != expected[name].shape
    ]
    return bool(differing) and all(
        stored[:1] == (1,) and wanted[:1] == (2,) and stored[1:] == wanted[1:]
        for stored, wanted in differing
    )


def load_weights(network: nn.Module, state: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Copy weights under the network's own names into it; messages say ``path`` and ``what``.

    It is an `InputError` if one is missing, is not the network's or has another shape.
    """
    expected = network.state_dict()
    missing, unexpected = _differences(state, network)
    if missing or unexpected:
        differences = [
            f"{text} {_listed(names)}"
            for text, names in (("lacks", missing), ("has also", unexpected))
            if names
        ]
        raise InputError(
            f"checkpoint {str(path)!r} does not fit {what}: it {' and '.join(differences)}"
        )
    for name, weight in state.items():
        if weight.shape != expected[name].shape:
            raise InputError(
                f"checkpoint {str(path)!r} does not fit {what}: {name} has shape "
                f"{tuple(weight.shape)}, expected {tuple(expected[name].shape)}"
            )
    network.load_state_dict(dict(state), strict=False)


def _differences(state: Mapping[str, Tensor], network: nn.Module) -> tuple[list[str], list[str]]:
    """Return the names of weights that are missing and those that are too many."""
    expected = network.state_dict()
    # Batch norm counts its training batches since PyTorch 0.4.1; nothing depends on it here.
    missing = [
        name for name in expected if name not in state and not name.endswith("num_batches_tracked")
    ]
    return missing, [name for name in state if name not in expected]


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        safetensors = importlib.import_module("safetensors")
        load_file = importlib.import_module("safetensors.torch").load_file
    except ImportError as error:
        raise InputError(
            f"checkpoint {str(path)!r} needs the package safetensors (pip install safetensors)"
        ) from error
    try:
        weights: dict[str, Tensor] = load_file(path)
    except OSError as error:
        raise InputError(_unreadable(path, error)) from error
    except safetensors.SafetensorError as error:
        raise InputError(
            f"checkpoint {str(path)!r} is damaged, truncated or no safetensors file ({error})"
        ) from error
    return weights


def _unreadable(path: Path, error: OSError) -> str:
    return f"checkpoint {str(path)!r} cannot be read ({error.strerror or error})"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def load_pretrained(model: Classifier, path: Path, name: str, num_classes: int) -> str:
    """Copy weights from a file into a model, but for a head of other classes.

    The file is one that `load_model` reads, or a ``model.pt`` of an earlier training. timm's own
    conversion is applied to a timm network's weights: it interpolates position embeddings to the
    network's size.

    Args:
        model: As `build_model` returned it; changed in place.
        path: A ``.safetensors`` file, or one of ``torch.save``, which is never executed.
        name: The model's name.
        num_classes: Number of logits of the model.

    Returns:
        One sentence on what was loaded and what starts at random instead.

    Raises:
        InputError: The file is damaged, or weights other than the head's are missing or do not
            fit.
    """
    network = model.get_submodule("network")
    state = without_prefix(find_weights(read_checkpoint(path), path), network)
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if name.startswith("timm:") and convert is not None:
        try:
            state = convert(state, network)
        except Exception as error:  # made for the network's own files; foreign ones raise anything
            raise InputError(
                f"checkpoint {str(path)!r} does not fit {name} ({type(error).__name__}: {error})"
            ) from error
    expected = network.state_dict()
    replaced = [
        key
        for key, weight in expected.items()
        if key in state and _of_other_classes(state[key], weight, num_classes)
    ]
    try:
        heads = tuple(f"{head}." for head in head_names(network, num_classes))
    except InputError:  # a network without one has nothing to start at random
        heads = ()
    absent = [key for key in expected if key.startswith(heads) and key not in state]
    fresh = {key: expected[key] for key in (*replaced, *absent)}
    load_weights(network, {**state, **fresh}, path, name)
    if not fresh:
        return f"{name} starts from {str(path)!r}"
    was = (
        f"has {len(state[replaced[0]])} classes there, {num_classes} here"
        if replaced
        else "is not in the file"
    )
    layers = ", ".join(dict.fromkeys(key.rpartition(".")[0] for key in fresh))
    return f"{name} starts from {str(path)!r}; its head ({layers}) {was} and starts at random"


def _of_other_classes(stored: Tensor, wanted: Tensor, num_classes: int) -> bool:
    """Whether two weights differ in their number of classes alone."""
    return (
        stored.dim() == wanted.dim() > 0
        and len(wanted) == num_classes != len(stored)
        and stored.shape[1:] == wanted.shape[1:]
    )
