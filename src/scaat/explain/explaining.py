"""What a model sees in images: its prediction, and which pixels drive a class's score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scaat.attribution import find_attribution
from scaat.errors import InputError
from scaat.functional.checks import check_images, check_labels
from scaat.functional.logits import class_logits
from scaat.functional.maps import check_maps
from scaat.passes import evaluation_mode

BATCH_SIZE = 32
"""Images at once where nothing is differentiated; saliency methods find their own."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A model's answers for N images, on the images' device; ``[i]`` is one without the N.

    Attributes:
        maps: By saliency method, float (N, H, W), finite and non-negative.
        targets: The classes whose scores the maps explain, int64 (N,).
        probabilities: Softmax of the logits, float (N, K).
    """

    maps: dict[str, Tensor]
    targets: Tensor
    probabilities: Tensor

    def __getitem__(self, i: int) -> Explanation:
        maps = {name: values[i] for name, values in self.maps.items()}
        return Explanation(maps, self.targets[i], self.probabilities[i])

    @property
    def predicted(self) -> Tensor:
        """The most probable class of each image, int64 (N,)."""
        return self.probabilities.argmax(-1)

    @property
    def probability(self) -> Tensor:
        """The predicted class's probability, float (N,)."""
        return self.probabilities.amax(-1)


def explain(
    model: nn.Module,
    images: Tensor,
    attributions: Sequence[str] = ("gradient",),
    *,
    targets: Tensor | int | None = None,
    layer: str | None = None,
    image_ids: Tensor | None = None,
) -> Explanation:
    """Return a classifier's saliency maps and predictions.

    Args:
        model: Maps images to logits (N, K), on the images' device. It runs in eval mode and is
            left as it was.
        images: Float (N, C, H, W) in [0, 1]; normalisation belongs in the model.
        attributions: Names of saliency methods (`scaat.attribution.attributions`).
        targets: The classes to explain, int64 (N,), or one for all; by default the predicted.
        layer: Dotted name of the layer for the methods that look at one; by default they find it.
        image_ids: Name each image for ``random``, int64 (N,); by default 0 to N - 1.

    Raises:
        InputError: A saliency method is unknown or cannot work on this model, the images, targets
            or logits are not as above, or a map is not finite.
    """
    methods = {name: find_attribution(name, layer=layer) for name in attributions}
    probabilities = classify(model, images)
    if targets is None:
        targets = probabilities.argmax(1)
    elif isinstance(targets, int):
        targets = torch.full((len(images),), targets, device=images.device)
    check_labels(targets, probabilities.shape[1])
    maps = {}
    for name, attribute in methods.items():
        try:
            maps[name] = attribute(model, images, targets, image_ids=image_ids)
            check_maps(maps[name], planar=True)
        except InputError as error:
            raise InputError(f"attribution {name!r}: {error}") from error
    return Explanation(maps, targets, probabilities)


def classify(model: nn.Module, images: Tensor, *, names: Sequence[str] | None = None) -> Tensor:
    """Return the probability of every class, float (N, K).

    Args:
        model: As for `explain`.
        images: As for `explain`.
        names: What messages call the images; by default their positions.

    Raises:
        InputError: The images are not as for `explain`, the model cannot run on them, or what it
            returns are not finite logits (N, K).
    """
    check_images(images)
    if images.dim() != 4 or not len(images):
        raise InputError(f"images must have shape (N, C, H, W), found {tuple(images.shape)}")
    with torch.no_grad(), evaluation_mode(model):
        logits = torch.cat([_logits(model, batch) for batch in torch.split(images, BATCH_SIZE)])
    bad = (~logits.isfinite()).any(1).nonzero()
    if len(bad):
        position = int(bad[0])
        name = f"image {position}" if names is None else names[position]
        raise InputError(f"the model's logits for {name} are not finite")
    return logits.softmax(1)


def _logits(model: nn.Module, batch: Tensor) -> Tensor:
    size = "x".join(map(str, batch.shape[1:]))
    try:
        logits = model(batch)
        if isinstance(logits, Tensor):
            logits = class_logits(logits)
    except (RuntimeError, ValueError, AssertionError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"the model cannot run on images of {size} ({reason})") from error
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(batch):
        returned = (
            f"a tensor of shape {tuple(logits.shape)}"
            if isinstance(logits, Tensor)
            else f"a {type(logits).__name__}"
        )
        raise InputError(
            f"the model returned {returned} for {len(batch)} images; expected logits "
            f"({len(batch)}, classes)"
        )
    return logits
