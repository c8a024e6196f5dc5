"""Guided Backprop and DeepLift: Captum's, on the models whose activations it can see."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import torch
from captum.attr import DeepLift, GuidedBackprop
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from scaat.attribution.method import Query, attributions, saliency_method
from scaat.errors import InputError

_RESCALED = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus)
"""Modules for which Captum's DeepLift has a rule, valid for one call of the module."""

_WRONG_RULE = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.Softmax)
"""Modules whose rule in Captum's DeepLift mixes the images of a batch and is not complete."""

_SMALLEST_CHANGE = 1e-6
"""Of an activation's input; below it the slope is mostly rounding error."""


@attributions.register("guided-backprop")
@saliency_method
def guided_backprop(query: Query) -> Tensor:
    """Return Guided Backprop (Springenberg et al. 2015), Captum's `GuidedBackprop`.

    Every ReLU passes only the positive part of its gradient. Other activations, including
    ReLU6, keep their gradient.

    Costs two forward passes, one of a single image, and one input gradient.

    Raises:
        InputError: The model calls no ReLU, calls one as a function, or uses a ReLU's input in
            another branch too; Captum would silently return other gradients.
    """
    return guided_gradient(query)


def guided_gradient(query: Query) -> Tensor:
    """Return the signed attributions of `guided_backprop`, (N, C, H, W)."""
    calls, score = _probe(query)
    relus, exclusive = _count_relus(score)
    hooked = sum(count for module, count in calls.items() if isinstance(module, nn.ReLU))
    if relus == 0:
        raise InputError(
            "guided-backprop needs a model with ReLUs, found none: its map would be the plain "
            "gradient"
        )
    if relus != hooked or relus != exclusive:
        raise InputError(
            f"guided-backprop cannot explain this model: of its {relus} ReLU calls {hooked} are "
            f"nn.ReLU modules and {exclusive} do not share their input with another branch, "
            "expected all"
        )
    with warnings.catch_warnings(action="ignore"):  # that hooks are registered
        signed: Tensor = GuidedBackprop(_Network(query)).attribute(
            query.images, target=query.targets
        )
    return signed


@attributions.register("deeplift")
@saliency_method
def deeplift(query: Query) -> Tensor:
    """Return DeepLift with the rescale rule from a black image (Shrikumar et al. 2017).

    This is Captum's `DeepLift`, which is right for nn.ReLU, ELU, LeakyReLU, Sigmoid, Tanh and
    Softplus modules that are called once. The attributions of an image add up to the difference
    of its logit from the black image's; a model that violates this has a layer without a rule (a
    functional activation, a product of features, layer norm) and is refused.

    Costs four forward passes and two input gradients.

    Raises:
        InputError: An activation module is called several times (torchvision's ResNets), the
            model uses max pooling or softmax modules (VGG), or the attributions do not add up to
            the difference of the logits.
    """
    calls, _ = _probe(query)
    for name, module in query.model.named_modules():
        kind = type(module).__name__
        if calls[module] > 1 and isinstance(module, _RESCALED):
            raise InputError(
                f"deeplift cannot explain this model: it calls {kind} {name!r} {calls[module]} "
                "times, expected one module for each call"
            )
        if calls[module] and isinstance(module, _WRONG_RULE):
            raise InputError(
                f"deeplift cannot explain this model: Captum's rule for {kind} ({name!r}) is not "
                "right, expected a model without max pooling and softmax modules"
            )
    signed: Tensor
    gaps: Tensor
    with warnings.catch_warnings(action="ignore"):  # that hooks are registered
        signed, gaps = DeepLift(_Network(query), eps=_SMALLEST_CHANGE).attribute(
            query.images,
            baselines=torch.zeros_like(query.images),
            target=query.targets,
            return_convergence_delta=True,
        )
    tolerance = torch.finfo(signed.dtype).eps ** 0.5 * signed.flatten(1).abs().sum(1)
    complete = gaps.abs() <= tolerance  # false for NaN
    if not complete.all():
        worst = int((~complete).nonzero()[0])
        raise InputError(
            "deeplift cannot explain this model, some layer of which has no DeepLift rule: the "
            f"attributions of an image add up to {signed[worst].sum():.3g}, which differs by "
            f"{gaps[worst]:.3g} from the difference of its logit from the black image's"
        )
    return signed


class _Network(nn.Module):
    """The model as a module for Captum's hooks, with the checks of `Query.predict`."""

    def __init__(self, query: Query) -> None:
        super().__init__()
        self.model = query.model
        self.predict = query.predict

    def forward(self, images: Tensor) -> Tensor:
        return self.predict(images)


def _probe(query: Query) -> tuple[Counter[nn.Module], Tensor]:
    """Return how often the model calls each module, and one image's score with its graph."""
    calls: Counter[nn.Module] = Counter()

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        calls[module] += 1

    first = query.part(slice(1))
    with register_module_forward_hook(count):
        return calls, first.scores(first.images)


def _count_relus(score: Tensor) -> tuple[int, int]:
    """Return the ReLUs in a graph, and those whose input has no other use."""
    uses: Counter[tuple[Any, int]] = Counter()
    inputs: list[tuple[Any, int]] = []
    seen: set[Any] = set()
    waiting = [score.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        uses.update(node.next_functions)
        waiting.extend(parent for parent, _ in node.next_functions)
        if node.name().startswith("ReluBackward"):
            inputs.append(node.next_functions[0])
    return len(inputs), sum(uses[entry] == 1 for entry in inputs)
