"""Gradients of the target's logit: plain, times the image, and averaged along a path to it."""

from __future__ import annotations

import torch
from captum.attr import InputXGradient, IntegratedGradients
from torch import Tensor

from scaat.attribution.method import Query, attributions, saliency_method
from scaat.errors import InputError
from scaat.functional.checks import check_images


@attributions.register("gradient")
@saliency_method
def gradient(query: Query) -> Tensor:
    """Return the gradient (Simonyan et al. 2013), the map that the paper trains and measures.

    Costs one forward pass and one input gradient.
    """
    return query.gradient()


@attributions.register("input-x-gradient")
@saliency_method
def input_x_gradient(query: Query) -> Tensor:
    """Return the gradient times the image in [0, 1] (Shrikumar et al. 2016).

    Black pixels get no attribution, whatever the gradient.

    Costs one forward pass and one input gradient.
    """
    signed: Tensor = InputXGradient(query.predict).attribute(query.images, target=query.targets)
    return signed


@attributions.register("integrated-gradients")
@saliency_method
def integrated_gradients(query: Query, *, steps: int = 32) -> Tensor:
    """Return Integrated Gradients from a black image (Sundararajan et al. 2017).

    Costs ``steps`` forward passes and input gradients, in the memory of one.

    Args:
        query: what to explain.
        steps: points of the Gauss-Legendre rule; the source finds 20 to 300 enough.
    """
    if steps < 1:
        raise InputError(f"integrated gradients take 1 step or more, found {steps}")
    signed: Tensor = IntegratedGradients(query.predict).attribute(
        query.images,
        baselines=0.0,
        target=query.targets,
        n_steps=steps,
        method="gausslegendre",
        internal_batch_size=len(query.images),  # one step at a time
    )
    return signed


@attributions.register("expected-gradients")
@saliency_method
def expected_gradients(
    query: Query, *, baselines: Tensor | None = None, samples: int = 50, seed: int = 0
) -> Tensor:
    """Return Expected Gradients (Erion et al. 2021), Captum's `GradientShap` without noise.

    A sample draws a baseline and a point on the line from it to the image; the map is the mean
    of the gradient there times (image - baseline). Captum draws them from the global random state,
    for each image of the batch; here every image gets the same ones, from a seed of their own. The
    points are stratified, one in each of ``samples`` equal parts of the line: the same mean with
    less noise.

    Costs ``samples`` forward passes and input gradients, in the memory of one.

    Args:
        query: what to explain.
        baselines: images (B, C, H, W) in [0, 1] to draw from, for example of the training set,
            as in the source. By default images of independent uniform pixels, as AOPC's: no data
            set is needed, and no colour counts as absent.
        samples: draws; their error falls as the inverse of their square root.
        seed: of the draws.
    """
    if samples < 1:
        raise InputError(f"expected gradients take 1 sample or more, found {samples}")
    shape = query.images.shape[1:]
    if baselines is not None:
        check_images(baselines)
        if baselines.shape[1:] != shape or len(baselines) == 0:
            raise InputError(
                f"the baselines must be 1 image or more of the images' shape {tuple(shape)}, "
                f"found shape {tuple(baselines.shape)}"
            )
    generator = torch.Generator().manual_seed(seed)
    images = query.images.detach()
    total = torch.zeros_like(images)
    for stratum in range(samples):
        share = (stratum + float(torch.rand((), generator=generator))) / samples
        if baselines is None:
            baseline = torch.rand(shape, generator=generator)
        else:
            baseline = baselines[int(torch.randint(len(baselines), (), generator=generator))]
        change = images - baseline.detach().to(images)
        point = (images - (1 - share) * change).requires_grad_()
        total += change * query.gradient(point)
    return total / samples
