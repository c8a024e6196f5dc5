"""The registry of saliency methods, their call signature, and the decorators that make one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, update_wrapper
from inspect import signature
from typing import Any, Concatenate, ParamSpec, Protocol

import torch
from captum.attr import Saliency
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from scaat.attribution.batching import in_parts, part_size
from scaat.errors import InputError
from scaat.functional.checks import check_images
from scaat.functional.gradients import gradients_enabled
from scaat.functional.logits import class_logits
from scaat.functional.saliency import class_scores, sum_channels
from scaat.passes import evaluation_mode
from scaat.registry import Registry

P = ParamSpec("P")


class Attribution(Protocol):
    """A saliency method: which pixels drive the score of a class.

    The model maps images in [0, 1] to logits (N, classes), or (N, 1) for one logit and two
    classes (`scaat.functional.class_logits`). It runs in eval mode with autocast off, and is left
    as it was.

    Maps are detached and non-negative: the absolute attributions summed over channels (the
    paper's map is the absolute gradient). Each depends on its own image alone (and on its number
    for ``random``), not on the batch, the device or the global random state. A batch is worked
    through in parts that fit the memory (`scaat.attribution.batching`).
    """

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        targets: Tensor,
        /,
        *,
        masks: Tensor | None = None,
        image_ids: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Return saliency maps (N, H, W), floating point, on the device of the images.

        Args:
            model: what is explained; ``random`` and ``oracle`` do not look at it.
            images: (N, C, H, W), floating point in [0, 1], on the model's device.
            targets: int64 (N,), the classes whose logits are explained; `scaat.evaluation` takes
                the predicted ones, which the perturbation curves follow too.
            masks: bool (N, H, W), what each image should be explained by; `oracle` alone needs it.
            image_ids: int64 (N,), non-negative, the images' names for `random`, such as their
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
        layer: dotted name of the layer for ``grad-cam`` and ``guided-grad-cam``, which find it
            themselves by default. The others ignore it, so that it can be given for a list.

    Raises:
        InputError: the name is unknown.
    """
    attribution = attributions[name]
    if layer is not None and "layer" in signature(attribution).parameters:
        return partial(attribution, layer=layer)
    return attribution


@dataclass(frozen=True)
class Query:
    """What a saliency method is asked.

    Attributes:
        model: in eval mode, its parameters without gradients.
        images: (N, C, H, W), a leaf that requires gradients and may be kept.
        targets: int64 (N,), the classes whose logits are explained.
        classes: how many the model must have: one more than the highest target.
        masks: bool (N, H, W), what should explain the images, where that is known.
        image_ids: int64 (N,), on the CPU, the images' names for random numbers.
        part_size: how many images a differentiated pass may hold.
    """

    model: nn.Module
    images: Tensor
    targets: Tensor
    classes: int
    masks: Tensor | None
    image_ids: Tensor
    part_size: int = 1

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (M, classes) of any images of this query's shape; one counts as two."""
        # A copy: a model that begins with an in-place layer would overwrite the very tensor
        # whose gradient is asked for.
        output: object = self.model(images.clone())
        if isinstance(output, Tensor):
            output = class_logits(output)
        if not isinstance(output, Tensor) or output.dim() != 2 or len(output) != len(images):
            returned = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise InputError(
                f"the model's output for {len(images)} images must be logits of shape "
                f"({len(images)}, classes), found {returned}"
            )
        if output.shape[1] < self.classes:
            raise InputError(
                f"target {self.classes - 1} is out of range, the model has {output.shape[1]} "
                "classes"
            )
        return output

    def scores(self, images: Tensor) -> Tensor:
        """Return the targets' logits (N,) of other images in the place of this query's."""
        return class_scores(self.predict(images), self.targets)

    def gradient(self, images: Tensor | None = None, targets: Tensor | None = None) -> Tensor:
        """Return the signed gradient (N, C, H, W) of the targets' logits at images, or these."""
        gradient: Tensor = Saliency(self.predict).attribute(
            self.images if images is None else images,
            target=self.targets if targets is None else targets,
            abs=False,
        )
        return gradient

    def part(self, where: slice) -> Query:
        """Return the query for some of the images."""
        return replace(
            self,
            images=self.images[where].detach().requires_grad_(),
            targets=self.targets[where],
            masks=None if self.masks is None else self.masks[where],
            image_ids=self.image_ids[where],
        )


def saliency_method(attribute: Callable[Concatenate[Query, P], Tensor]) -> Attribution:
    """Make an `Attribution` of a function that returns signed attributions (N, C, H, W).

    The function may differentiate the query's prediction, whatever the caller's gradient mode.
    It is asked about as many images at a time as fit the memory.
    """

    def run(query: Query, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        with torch.autocast(query.images.device.type, enabled=False), _explained(query.model):
            resident = [*query.model.parameters(), *query.model.buffers()]
            query = replace(query, part_size=part_size(query.predict, query.images, resident))

            def part_maps(where: slice) -> Tensor:
                return sum_channels(attribute(query.part(where), *args, **kwargs).detach())

            return in_parts(part_maps, len(query.images), query.part_size)

    return _entry(attribute, run)


def reference_map(attribute: Callable[Concatenate[Query, P], Tensor]) -> Attribution:
    """Make an `Attribution` of a function that returns maps (N, H, W) without the model."""
    return _entry(attribute, attribute)


def _entry(attribute: Callable[..., Tensor], run: Callable[..., Tensor]) -> Attribution:
    def maps(
        model: nn.Module,
        images: Tensor,
        targets: Tensor,
        /,
        *,
        masks: Tensor | None = None,
        image_ids: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        _check(images, targets, image_ids)
        if len(images) == 0:
            return images.new_zeros(images[:, 0].shape)
        # The wrappers call the model in other threads, or hook it: what is explained is inside.
        inner = model.module if isinstance(model, DataParallel | DistributedDataParallel) else model
        numbers = torch.arange(len(images)) if image_ids is None else image_ids.cpu().clone()
        with gradients_enabled():
            query = Query(
                model=inner,
                # Inference tensors can't require gradients until they are copied.
                images=images.detach().clone().requires_grad_(),
                targets=targets.clone(),
                classes=int(targets.max()) + 1,
                masks=masks,
                image_ids=numbers,
            )
            return run(query, **options)

    update_wrapper(maps, attribute)
    call = signature(maps, follow_wrapped=False)
    _, *own = signature(attribute).parameters.values()
    shared = list(call.parameters.values())[:-1]  # `options` are named one by one
    maps.__signature__ = call.replace(parameters=shared + own)  # type: ignore[attr-defined]
    return maps


@contextmanager
def _explained(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, without gradients of parameters: a pass keeps nothing for them."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with evaluation_mode(model):
        try:
            for parameter in trained:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)


def _check(images: Tensor, targets: Tensor, image_ids: Tensor | None) -> None:
    check_images(images)
    if images.dim() != 4:
        raise InputError(f"images must have shape (N, C, H, W), found {tuple(images.shape)}")
    count = len(images)
    for name, values in (("targets", targets), ("image_ids", image_ids)):
        if values is None:
            continue
        if values.shape != (count,) or values.dtype != torch.int64:
            raise InputError(
                f"the {name} of {count} images must be int64 of shape ({count},), "
                f"found {values.dtype} of shape {tuple(values.shape)}"
            )
        if count and values.min() < 0:
            raise InputError(f"the {name} must be 0 or more, found {int(values.min())}")
