"""Some of a network's outputs, in any order: for images of fewer classes than it knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from scaat.errors import InputError, did_you_mean
from scaat.models.checkpoint import find_weights, read_checkpoint, without_prefix
from scaat.models.classifier import head_names
from scaat.models.registry import build_model


class SelectedOutputs(nn.Module):
    """A model that answers among some of another model's classes.

    The logits (N, K) at the positions ``outputs`` become the new ones, in that order. A single one
    is a model of one logit: that of one label of several, present or absent.
    """

    outputs: Tensor

    def __init__(self, model: nn.Module, outputs: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("outputs", torch.tensor(list(outputs)))

    def forward(self, images: Tensor) -> Tensor:
        """Map images to the chosen logits (N, len(outputs))."""
        logits: Tensor = self.model(images)
        return logits.index_select(1, self.outputs)


def read_outputs(path: Path, count: int, names: Sequence[str] | None) -> list[int]:
    """Return the outputs that a text file names, one a line: by class name, or by number from 0.

    Of ``count`` outputs the names, where the model brings them, win over numbers.

    Raises:
        InputError: The file cannot be read or is empty, or a line names no output, or one twice.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"classes file {str(path)!r} cannot be read ({reason})") from error
    known = list(names or ())
    outputs: list[int] = []
    for number, line in enumerate(filter(None, lines), 1):
        if line in known:
            output = known.index(line)
        elif line.isdecimal() and int(line) < count:
            output = int(line)
        else:
            name = " or a class name of the model" if known else ""
            raise InputError(
                f"line {number} of classes file {str(path)!r} is {line!r:.80}"
                f"{did_you_mean(line, known)}; expected a number from 0 to {count - 1}{name}"
            )
        if output in outputs:
            raise InputError(
                f"line {number} of classes file {str(path)!r} names output {output} again; "
                "expected each once"
            )
        outputs.append(output)
    if not outputs:
        raise InputError(f"classes file {str(path)!r} names no output; expected one or more")
    return outputs


def count_outputs(checkpoint: Path, name: str, image_size: tuple[int, int]) -> int:
    """Return how many classes a checkpoint's network has, by the weights of its last layer.

    A file that is damaged or holds no such layer is an `InputError`.
    """
    guess = 1000
    model = build_model(name, num_classes=guess, image_size=image_size, mean=None, std=None)
    network = model.get_submodule("network")
    state = without_prefix(find_weights(read_checkpoint(checkpoint), checkpoint), network)
    for head in reversed(head_names(network, guess)):
        weight = state.get(f"{head}.weight")
        if weight is not None:
            return len(weight)
    raise InputError(
        f"checkpoint {str(checkpoint)!r} does not fit {name}: it lacks the weights of its last "
        "layer, by which its classes are counted"
    )
