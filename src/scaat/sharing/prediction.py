"""A model as a program that only predicts, and the check that it still predicts the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from scaat import __version__
from scaat.errors import InputError
from scaat.sharing.model import SharedModel

TOLERANCE = 1e-4
"""Largest accepted difference of an output, in units of the largest logit or of 1.

Other programs add in another order, which moves float32 logits by about 1e-6 of the largest one.
"""

RANDOM_BATCHES = (1, 2, 5)
"""Sizes of the batches of random images; the program was made from one of two."""

Outputs = Sequence[Tensor]


class Prediction(nn.Module):
    """From images in [0, 1] to logits, or to logits and probabilities.

    Args:
        model: Copied: on the CPU, in evaluation mode.
        probabilities: Whether to give the softmax of the logits, too.
    """

    def __init__(self, model: nn.Module, probabilities: bool) -> None:
        super().__init__()
        # A plain memory layout: others are read back with warnings.
        self.model = copy.deepcopy(model).cpu().to(memory_format=torch.contiguous_format)
        self.probabilities = probabilities
        self.eval()

    @property
    def outputs(self) -> list[str]:
        """Return the outputs' names."""
        return ["logits", "probabilities"] if self.probabilities else ["logits"]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images (N, C, H, W) to logits and, if wanted, probabilities, (N, classes) each."""
        logits: Tensor = self.model(images)
        return (logits, logits.softmax(1)) if self.probabilities else (logits,)


def example(shared: SharedModel) -> Tensor:
    """Return two images from which a program is made."""
    return torch.rand(
        2, shared.channels, *shared.image_size, generator=torch.Generator().manual_seed(0)
    )


def description(shared: SharedModel) -> dict[str, str]:
    """Return what a program's file says of its input and classes: JSON values by name."""
    height, width = shared.image_size
    known = {
        "classes": list(shared.classes),
        "input": {"channels": shared.channels, "height": height, "width": width, "range": [0, 1]},
        "architecture": shared.name,
        "method": shared.method,
        "scaat": __version__,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in known.items()}


def largest_difference(
    network: Prediction,
    program: Callable[[Tensor], Outputs],
    shared: SharedModel,
    images: Tensor | None,
) -> float:
    """Return by how much a program's outputs differ from the network's, at most.

    Args:
        network: The reference.
        program: What was made of it.
        shared: The model, for the images' shape.
        images: Further images than random ones, (k, C, H, W) in [0, 1].

    Returns:
        The largest absolute difference of an output over the largest logit, or over 1 where that
        is smaller.

    Raises:
        InputError: The images have another shape, or an output's shape differs, is not finite, or
            differs by more than `TOLERANCE`.
    """
    worst = 0.0
    for batch in _batches(shared, images):
        with torch.no_grad():
            expected = network(batch)
        found = program(batch)
        scale = max(1.0, float(expected[0].abs().max()))
        for name, right, value in zip(network.outputs, expected, found, strict=True):
            if value.shape != right.shape:
                raise InputError(
                    f"the exported model gives {name} of shape {tuple(value.shape)} for "
                    f"{len(batch)} images, expected {tuple(right.shape)}: it is not written"
                )
            difference = float((value - right).abs().max()) / scale
            if not difference <= TOLERANCE:  # NaN is no pass
                raise InputError(
                    f"the exported model's {name} differ from the model's by {difference:.1e} of "
                    f"the largest logit, expected at most {TOLERANCE:.0e}: it is not written"
                )
            worst = max(worst, difference)
    return worst


def _batches(shared: SharedModel, images: Tensor | None) -> Iterator[Tensor]:
    shape = (shared.channels, *shared.image_size)
    generator = torch.Generator().manual_seed(1)
    for size in RANDOM_BATCHES:
        yield torch.rand(size, *shape, generator=generator)
    if images is None:
        return
    if images.dim() != 4 or images.shape[1:] != shape:
        raise InputError(
            f"images to check with have shape {tuple(images.shape)}, expected (k, "
            f"{', '.join(map(str, shape))})"
        )
    yield from torch.split(images, max(RANDOM_BATCHES))
