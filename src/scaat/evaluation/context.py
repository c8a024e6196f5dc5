"""What every part of an evaluation works on: one model, one test set, one protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scaat.attribution import Attribution, find_attribution
from scaat.data.image_set import ImageSet, to_float
from scaat.evaluation.processes import ALONE, Processes
from scaat.options.evaluation import EvaluationOptions

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Samples:
    """Some images of a set, on the device of the model."""

    pixels: Tensor  # uint8 (B, C, H, W), on the CPU
    images: Tensor  # float32 (B, C, H, W) in [0, 1]
    labels: Tensor  # int64 (B,)
    image_ids: Tensor  # int64 (B,), positions in the set, on the CPU; random draws follow them
    masks: Tensor | None  # bool (B, H, W), the objects, where the data has masks or boxes

    @classmethod
    def load(cls, image_set: ImageSet, image_ids: Tensor, device: torch.device) -> Samples:
        """Read the images at int64 (B,) positions."""
        subset = image_set.subset(image_ids)
        pixels, masks = subset.pixels(), subset.object_masks()
        return cls(
            pixels,
            to_float(pixels.to(device)),
            subset.labels.to(device),
            image_ids,
            None if masks is None else masks.to(device),
        )

    def explain(self, attribute: Attribution, model: nn.Module, targets: Tensor) -> Tensor:
        """Return the saliency maps (B, H, W) of the targets' logits, int64 (B,)."""
        extra = {"masks": self.masks, "image_ids": self.image_ids}
        return attribute(model, self.images, targets.to(self.images.device), **extra)


@dataclass(frozen=True)
class EvaluationContext:
    """One model on one test set under one protocol, and the saliency method that explains it."""

    model: nn.Module  # maps images in [0, 1] to logits; in eval mode, on `device`
    image_set: ImageSet
    options: EvaluationOptions
    attribution: str
    seed: int  # of every random draw
    device: torch.device
    batch_size: int  # of a forward pass; changes no result
    random_label_model: nn.Module | None
    count: Callable[[int], None]  # called with the number of images of every pass and every map
    processes: Processes = ALONE

    @property
    def gradient_batch_size(self) -> int:
        """Images in a differentiated pass, which keeps its activations."""
        return max(1, self.batch_size // 4)

    @property
    def method(self) -> Attribution:
        """The saliency method, without counting its maps."""
        return find_attribution(self.attribution, layer=self.options.layer)

    def parts(self, image_ids: Tensor) -> Sequence[Tensor]:
        """Return the batches of int64 (n,) positions that this process measures."""
        return self.processes.own(torch.split(image_ids, self.gradient_batch_size))

    def load(self, image_ids: Tensor) -> Samples:
        """Read the test images at int64 (B,) positions."""
        return Samples.load(self.image_set, image_ids, self.device)

    def attribute(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return saliency maps as any `Attribution` does, and count them."""
        maps = self.method(*args, **kwargs)
        self.count(len(maps))
        return maps

    def predict(self, inputs: Tensor) -> Tensor:
        """Return the model's logits in the options' precision, and count them."""
        half = self.options.precision == "bfloat16"
        # Channels-last inputs are faster for half precision everywhere, for float32 on CPUs only.
        last = half or self.device.type == "cpu"
        memory = torch.channels_last if last else torch.contiguous_format
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            logits: Tensor = self.model(inputs.contiguous(memory_format=memory))
        self.count(len(inputs))
        return logits


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Disable TF32 in cuDNN convolutions, which torch allows there, unlike in matrix products.

    Its relative error of 0.0005 exceeds the decays along a faithful map's curve.
    """
    cudnn: Any = torch.backends.cudnn
    # Since torch 2.9 convolutions have a setting of their own, not to be mixed with the older one.
    new = hasattr(cudnn, "conv")
    place = cudnn.conv if new else cudnn
    name, exact = ("fp32_precision", "ieee") if new else ("allow_tf32", False)
    before = getattr(place, name)
    setattr(place, name, exact)
    try:
        yield
    finally:
        setattr(place, name, before)
