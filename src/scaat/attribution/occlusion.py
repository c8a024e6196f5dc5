"""Occlusion: how far the target's logit falls as a grey square moves over the image."""

from __future__ import annotations

from captum.attr import Occlusion
from torch import Tensor

from scaat.attribution.method import Query, attributions, saliency_method
from scaat.errors import InputError

_BATCH = 256  # images in a forward pass; more would gain no speed


@attributions.register("occlusion")
@saliency_method
def occlusion(
    query: Query, *, window: int | None = None, stride: int | None = None, baseline: float = 0.5
) -> Tensor:
    """Return the change of the logit under a grey square (Zeiler and Fergus 2014).

    A pixel's attribution is the mean over all places of the square that cover it. Needs no
    gradient.

    Costs a forward pass for each place of the square, some 225 at the defaults.

    Args:
        query: what to explain.
        window: side of the square in pixels; an eighth of the image's shorter side by default.
        stride: pixels between its places, at most ``window``; half of that by default.
        baseline: value of the square in all channels, in [0, 1]; grey as in the source.
    """
    channels, *sides = query.images.shape[1:]
    window = max(1, min(sides) // 8) if window is None else window
    stride = max(1, window // 2) if stride is None else stride
    if not 1 <= stride <= window <= min(sides) or not 0 <= baseline <= 1:
        raise InputError(
            f"occlusion takes 1 <= stride <= window <= {min(sides)}, the image's shorter side, and "
            f"a baseline in [0, 1], found stride {stride}, window {window} and baseline {baseline}"
        )
    signed: Tensor = Occlusion(query.predict).attribute(
        query.images.detach(),
        sliding_window_shapes=(channels, window, window),
        strides=(channels, stride, stride),
        baselines=baseline,
        target=query.targets,
        perturbations_per_eval=max(1, min(query.part_size, _BATCH) // len(query.images)),
    )
    return signed
