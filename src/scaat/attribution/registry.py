"""The registry of saliency methods, and what every one of them is called with."""

from __future__ import annotations

from functools import partial
from inspect import signature
from typing import Any, Protocol

from torch import Tensor, nn

from scaat.registry import Registry


class Attribution(Protocol):
    """A saliency method: which pixels drive the score of a class.

    The model maps images in [0, 1] to logits (N, classes). It runs in eval mode with autocast off;
    its modes, flags, gradients, hooks and buffers are afterwards as they were.

    Maps are detached and non-negative: the absolute attributions summed over channels (the
    paper's map is the absolute gradient). Each depends on its own image alone (and on its number
    for ``random``), not on the batch, the device or the global random state; calling again gives
    it again. A batch is worked through in parts that fit the memory (`scaat.attribution.batching`).
    """

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        targets: Tensor,
        /,
        *,
        masks: Tensor | None = None,
        numbers: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Return saliency maps (N, H, W), floating point, on the device of the images.

        Args:
            model: what is explained, or for ``random`` and ``oracle`` not even looked at.
            images: (N, C, H, W), floating point in [0, 1], on the model's device.
            targets: int64 (N,), the classes whose logits are explained; `scaat.evaluation` takes
                the predicted ones, which the perturbation curves follow too.
            masks: bool (N, H, W), what each image should be explained by; `oracle` alone needs it.
            numbers: int64 (N,), non-negative, the images' names for `random`, for example their
                positions in the test set; 0 ... N - 1 by default.
            **options: those of the method.

        Raises:
            InputError: an argument has another shape, type or range, or the method cannot
                explain this model rightly.
        """
        ...


attributions: Registry[Attribution] = Registry("attribution")


def find_attribution(name: str, *, layer: str | None = None) -> Attribution:
    """Return the saliency method called ``name``.

    Args:
        name: a name in `attributions`.
        layer: dotted name of the layer for the methods that look at one, ``grad-cam`` and
            ``guided-grad-cam``, which find it themselves by default. The others have no use for
            it, so that one layer can be given for a list of methods.

    Raises:
        InputError: the name is unknown.
    """
    attribution = attributions[name]
    if layer is not None and "layer" in signature(attribution).parameters:
        return partial(attribution, layer=layer)
    return attribution
