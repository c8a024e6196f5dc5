"""Pretrained weights from a local file as a training's start."""

from __future__ import annotations

import sys
from pathlib import Path

from torch import Tensor, nn

from scaat.errors import InputError
from scaat.models.checkpoint import find_weights, load_weights, read_checkpoint, without_prefix
from scaat.models.classifier import Classifier, head_names


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
        state = _converted(state, network, convert, path, name)
    expected = network.state_dict()
    replaced = [
        key
        for key, weight in expected.items()
        if key in state and _of_other_classes(state[key], weight, num_classes)
    ]
    heads = tuple(f"{head}." for head in _heads(network, num_classes))
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


def _of_other_classes(found: Tensor, wanted: Tensor, num_classes: int) -> bool:
    """Whether two weights differ in their number of classes alone."""
    return (
        found.dim() == wanted.dim() > 0
        and len(wanted) == num_classes != len(found)
        and found.shape[1:] == wanted.shape[1:]
    )


def _heads(network: nn.Module, num_classes: int) -> list[str]:
    try:
        return head_names(network, num_classes)
    except InputError:  # a network without one has nothing to start at random
        return []


def _converted(
    state: dict[str, Tensor], network: nn.Module, convert: object, path: Path, name: str
) -> dict[str, Tensor]:
    assert callable(convert)
    try:
        converted: dict[str, Tensor] = convert(state, network)
    except Exception as error:  # made for the network's own files; foreign ones raise anything
        raise InputError(
            f"checkpoint {str(path)!r} does not fit {name} ({type(error).__name__}: {error})"
        ) from error
    return converted
