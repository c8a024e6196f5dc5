"""The layer that makes a lattice: where gradients begin to favour some positions of a period."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.checks import check_images
from scaat.functional.gradients import gradients_enabled
from scaat.functional.lattice import lattice_variance
from scaat.functional.saliency import class_scores, sum_channels

EVEN = 0.1
"""Variation below which a map counts as even; padding alone gives up to about 0.05."""

REPEATS = 4
"""Of a period in an image, at least: with fewer, the position of the objects looks like one."""


class LatticeSource(NamedTuple):
    """A periodic pattern of the saliency, and the module that makes it."""

    period: int
    """In pixels, along rows and columns."""
    variation: float
    """Standard deviation of the mean saliency over the positions of the period, over the mean."""
    layer: str | None
    """Dotted name of the module, ``""`` for the model itself; None for a variation under 0.1."""
    kind: str | None
    """The module's class."""


@dataclass(eq=False)
class _Call:
    """One call of a module that changes the resolution of maps (N, C, h, w).

    A reach is how many pixels lie between neighbours. An output that is no map has none.
    """

    name: str
    kind: str
    inputs: Tensor
    reach: int
    output: Tensor | None = None
    output_reach: int | None = None
    before: list[Tensor] = field(default_factory=list)
    after: list[Tensor] = field(default_factory=list)

    def made(self, period: int, base: int) -> float:
        """Return the variance that this call adds to its output's, less that of ``base``."""

        def variance(maps: list[Tensor], reach: int | None) -> float:
            if reach is None or period % reach or period == reach:
                return 0.0
            values = torch.cat(maps)
            below = lattice_variance(values, base // reach) if base % reach == 0 else 0.0
            return lattice_variance(values, period // reach) - below

        return variance(self.before, self.reach) - variance(self.after, self.output_reach)


def lattice_source(
    model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int = 8
) -> LatticeSource:
    """Return the strongest period of the input gradient, and the module that makes it.

    A convolution of stride 1 treats all positions alike. A strided one, pooling, patches or a
    linear layer on flattened positions read some more often, or by larger weights, than their
    neighbours: the gradient at the input is a lattice, though that at the output is even. The
    pattern reaches the image through all earlier layers.

    Of period 2 and each layer's distance of neighbours in pixels, that is taken which adds most to
    the variance of the images' gradient (`lattice_variance`) over its divisors'. Each module that
    changes the resolution is then asked how much of it is in the gradient through its own input,
    but not in that at its output. From the model inwards the search descends to the submodule with
    the most, while that is at least half of what its parent makes. Modules with activations
    (N, h, w, C) are seen from outside only.

    Args:
        model: In eval mode; maps images to logits. Its tensors, flags and hooks stay.
        images: Floating point (N, C, H, W), 2 or more of them; 32 suffice. Different ones, since
            a lattice is what all images have in common.
        labels: int64 (N,), the classes whose logits are differentiated.
        batch_size: Images in a pass, which keeps three copies of every activation.

    Raises:
        InputError: There are fewer than two images, or of other shape.
    """
    check_images(images)
    if images.dim() != 4 or len(images) < 2 or min(images.shape[2:]) < 2:
        raise InputError(
            "a lattice needs two images (N, C, H, W) or more, of 2 x 2 pixels or more; found shape "
            f"{tuple(images.shape)}"
        )
    calls = _probed(model, images, labels, batch_size)
    side = min(images.shape[2:])
    reaches = {2} | {reach for call in calls for reach in (call.reach, call.output_reach) if reach}
    periods = sorted(reach for reach in reaches if 1 < reach <= max(2, side // REPEATS))
    whole = torch.cat(calls[0].before)
    variances = {1: 0.0} | {period: lattice_variance(whole, period) for period in periods}
    base = {p: max(q for q in variances if q < p and p % q == 0) for p in periods}
    period = max(periods, key=lambda p: variances[p] - variances[base[p]])
    variation = max(variances[period], 0.0) ** 0.5
    if variation < EVEN:
        return LatticeSource(period, variation, None, None)
    made = [(call.made(period, base[period]), call) for call in calls]
    largest, source = made[0]
    while True:
        prefix = f"{source.name}." if source.name else ""
        inner = [
            each for each in made if each[1].name.startswith(prefix) and each[1].name != source.name
        ]
        if not inner or max(inner, key=lambda each: each[0])[0] < largest / 2:
            return LatticeSource(period, variation, source.name, source.kind)
        largest, source = max(inner, key=lambda each: each[0])


def _probed(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> list[_Call]:
    """Return the calls that change the resolution with their gradients' maps, the model's first."""
    calls: list[_Call] = []
    parts = zip(images.split(batch_size), labels.split(batch_size), strict=True)
    for part, targets in parts:
        with gradients_enabled(), _probes(model, part) as probed:
            scores = class_scores(model(part.detach().clone().requires_grad_()), targets.clone())
            tensors = [each for call in probed for each in (call.inputs, call.output)]
            wanted = [tensor for tensor in tensors if tensor is not None]
            gradients = torch.autograd.grad(scores.sum(), wanted, allow_unused=True)
        maps = iter(
            sum_channels(torch.zeros_like(tensor) if gradient is None else gradient.detach())
            for gradient, tensor in zip(gradients, wanted, strict=True)
        )
        calls = calls or probed
        for call, probe in zip(calls, probed, strict=True):
            call.before.append(next(maps))
            if probe.output is not None:
                call.after.append(next(maps))
    return calls


@contextmanager
def _probes(model: nn.Module, images: Tensor) -> Iterator[list[_Call]]:
    """Collect the calls of modules that change the resolution, in the order they begin.

    Each works on copies, so that the gradient at the input is that through this module alone and
    no in-place layer overwrites it.
    """
    reaches: dict[torch.Size, int] = {images.shape[2:]: 1}
    begun: list[_Call] = []
    stack: list[_Call | None] = []

    def reach_of(activation: Any) -> int | None:
        if not isinstance(activation, Tensor) or activation.dim() != 4:
            return None
        size = activation.shape[2:]
        rows, columns = (
            round(whole / part) for whole, part in zip(images.shape[2:], size, strict=True)
        )
        return reaches.get(size, rows if rows == columns > 0 else None)

    def begin(name: str, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        reach = reach_of(args[0]) if args else None
        if reach is None:
            stack.append(None)
            return None
        copy = args[0].clone()
        call = _Call(name, type(module).__name__, copy, reach)
        stack.append(call)
        begun.append(call)
        return (copy.clone(), *args[1:])

    def end(module: nn.Module, _: Any, output: Any) -> Tensor | None:
        call = stack.pop()
        if call is None:
            return None
        stride = getattr(module, "stride", None)
        stride = stride[0] if isinstance(stride, tuple) and len(set(stride)) == 1 else stride
        size = output.shape[2:] if isinstance(output, Tensor) and output.dim() == 4 else None
        if size == call.inputs.shape[2:]:
            begun.remove(call)
            return None
        if isinstance(stride, int) and size is not None and size < call.inputs.shape[2:]:
            reaches.setdefault(size, call.reach * stride)
        call.output_reach = reach_of(output)
        if call.output_reach is None:
            return None
        call.output = output.clone()
        return call.output.clone()

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.enter_context(module.register_forward_pre_hook(partial(begin, name)))
            hooks.enter_context(module.register_forward_hook(end))
        yield begun
