"""A model that is to be shared, or was: the network and what is to be known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

_DEFAULTS = {"channels": 3, "input_size": None, "adapter": "auto"}


@dataclass(frozen=True, eq=False)
class SharedModel:
    """A model and what its files say of it.

    Attributes:
        model: Maps images (N, C, H, W) in [0, 1] to logits (N, classes); as `build_model`
            returns it.
        architecture: The arguments of `build_model` that made it.
        classes: The name of each class, in the order of the logits.
        method: How it was trained, or None where that is not known.
        options: The method's settings, JSON values.
        training: What the training took and came to, JSON values.
        proportion: The final q of every training sample, in [0, 1], shape (num_samples,), or None
            where the method has none.
    """

    model: nn.Module
    architecture: Mapping[str, Any]
    classes: tuple[str, ...]
    method: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    proportion: Tensor | None = None

    @property
    def name(self) -> str:
        """Return the network's name, as `build_model` takes it."""
        return str(self.architecture["name"])

    @property
    def image_size(self) -> tuple[int, int]:
        """Return height and width of the images, in pixels."""
        height, width = self.architecture["image_size"]
        return height, width

    @property
    def channels(self) -> int:
        """Return the channels of the images: 1 (grey) or 3."""
        return int(self.complete_architecture["channels"])

    @property
    def train_seconds(self) -> float | None:
        """Return what the training took, where that is known."""
        seconds = self.training.get("train_seconds")
        return seconds if isinstance(seconds, float) else None

    @property
    def complete_architecture(self) -> dict[str, Any]:
        """Return every argument of `build_model`, also those left at their defaults."""
        return {**_DEFAULTS, **self.architecture}
