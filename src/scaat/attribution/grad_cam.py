"""Grad-CAM: a layer's feature maps, weighted by the gradients of the class's logit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.attribution.backpropagation import guided_gradient
from scaat.attribution.method import Query, attributions, saliency_method
from scaat.errors import InputError, did_you_mean

_MOST_CLASS_TOKENS = 8  # beside the patches: class, distillation and register tokens


@attributions.register("grad-cam")
@saliency_method
def grad_cam(query: Query, *, layer: str | None = None) -> Tensor:
    """Return Grad-CAM (Selvaraju et al. 2017), brought to the images' size bilinearly.

    Captum's `LayerGradCam` on feature maps (N, C, h, w); the same on the tokens of a transformer's
    patches, laid out as their grid without the class tokens. A map is zero where nothing at this
    layer speaks for the class.

    Costs two forward passes and two gradients, one of each for a single image.

    Args:
        query: what to explain.
        layer: dotted name of a module of the model, whose last call counts; by default the last
            that has a feature map (`find_feature_map`).

    Raises:
        InputError: there is no such layer, or it gives no feature map.
    """
    return class_activation(query, layer)


@attributions.register("guided-grad-cam")
@saliency_method
def guided_grad_cam(query: Query, *, layer: str | None = None) -> Tensor:
    """Return the product of Guided Backprop and Grad-CAM (Selvaraju et al. 2017).

    Captum's `GuidedGradCam` with bilinear interpolation, as the source has it.

    Costs three forward passes and three gradients, one of each for a single image.

    Args:
        query: what to explain.
        layer: see `grad_cam`.

    Raises:
        InputError: as `grad_cam` and `guided_backprop` do.
    """
    return class_activation(query, layer) * guided_gradient(query)


def class_activation(query: Query, layer: str | None) -> Tensor:
    """Return the maps of `grad_cam`, (N, 1, H, W) and non-negative."""
    feature_map = find_feature_map(query, layer)
    outputs: dict[str, Tensor] = {}
    with layer_outputs(query.model, outputs.__setitem__, feature_map.layer):
        scores = query.scores(query.images)
    output = outputs[feature_map.layer]
    (gradient,) = torch.autograd.grad(scores.sum(), output)
    features, gradients = (feature_map.arrange(tensor) for tensor in (output.detach(), gradient))
    weights = gradients.mean((2, 3), keepdim=True)
    activation = (weights * features).sum(1, keepdim=True).relu()
    return F.interpolate(activation, query.images.shape[2:], mode="bilinear")


@dataclass(frozen=True)
class FeatureMap:
    """The output of a layer, called by its dotted name in the model, as a map."""

    layer: str
    height: int
    width: int
    class_tokens: int | None
    """None for (N, K, h, w); for tokens (N, T, K) how many stand before those of the patches."""

    def arrange(self, output: Tensor) -> Tensor:
        """Return the layer's output, or its gradient, as (N, K, h, w)."""
        if self.class_tokens is None:
            return output
        patches = output[:, self.class_tokens :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], self.height, self.width)


def find_feature_map(query: Query, layer: str | None = None) -> FeatureMap:
    """Return the feature map that Grad-CAM looks at.

    Costs one forward pass and one gradient, for a random image that is always the same: the choice
    depends on the model and the images' size, not on the images.

    The default ``layer`` is the last whose output is a map of more than one position, no finer than
    those before it, to which the logits' gradient returns. A transformer that classifies by its
    class token has no gradient at the patches of its last block's output: there it is the block's
    first layer norm.

    Raises:
        InputError: there is no such layer, or it gives no feature map.
    """
    known = [name for name, _ in query.model.named_modules() if name]
    if layer is not None and layer not in known:
        raise InputError(
            f"the model has no layer {layer!r}{did_you_mean(layer, known)}; "
            "model.named_modules() lists its layers"
        )
    candidates, outputs = _probe(query)
    if layer is None:
        coarsest = _coarsest(candidates)
        if coarsest is None:
            raise InputError(
                "Grad-CAM needs a layer with a feature map (N, C, h, w) or the tokens of patches, "
                "and the model has none that its logits depend on"
            )
        return coarsest
    for candidate, has_gradient in candidates:
        if candidate.layer == layer:
            if has_gradient:
                return candidate
            raise InputError(
                f"the model's logits do not depend on the feature map of layer {layer!r}, "
                "expected an earlier layer"
            )
    raise InputError(
        f"layer {layer!r} gives {outputs.get(layer, 'no tensor')}, expected a feature map "
        "(N, C, h, w) of more than one position or the tokens (N, T, C) of an earlier map's patches"
    )


@contextmanager
def layer_outputs(
    model: nn.Module, keep: Callable[[str, Tensor], None], *layers: str
) -> Iterator[None]:
    """Give ``keep`` the names and outputs of modules, by default all, as the model runs.

    The model continues with a copy, so that a layer that works in place spoils nothing.
    """

    def see(name: str, module: nn.Module, inputs: Any, output: Any) -> Tensor | None:
        if not isinstance(output, Tensor):
            return None
        keep(name, output)
        return output.clone()

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if name and (not layers or name in layers):
                hooks.enter_context(module.register_forward_hook(partial(see, name)))
        yield


def _probe(query: Query) -> tuple[list[tuple[FeatureMap, bool]], dict[str, str]]:
    """Return feature maps as they are made, whether logits have a gradient there; all outputs."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, *query.images.shape[1:], generator=generator).to(query.images)
    outputs: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        outputs.pop(name, None)  # a module that is called again counts where it was last
        outputs[name] = output

    with layer_outputs(query.model, keep):
        logits = query.predict(image.requires_grad_())
    maps = _feature_maps(outputs)
    # Random weights: logits that are normalised have a sum without gradient.
    weights = torch.randn(logits.shape, generator=generator).to(logits)
    gradients: tuple[Tensor | None, ...] = ()
    if maps:
        total = (logits * weights).sum()
        gradients = torch.autograd.grad(total, [outputs[m.layer] for m in maps], allow_unused=True)
    alive = [
        gradient is not None and bool(feature_map.arrange(gradient).any())
        for feature_map, gradient in zip(maps, gradients, strict=True)
    ]
    shapes = {
        name: f"a tensor of shape (N{''.join(f', {size}' for size in output.shape[1:])})"
        for name, output in outputs.items()
    }
    return list(zip(maps, alive, strict=True)), shapes


def _feature_maps(outputs: dict[str, Tensor]) -> list[FeatureMap]:
    maps: list[FeatureMap] = []
    grids: dict[int, tuple[int, int]] = {}  # the last map of so many channels
    for name, output in outputs.items():
        if not output.requires_grad or len(output) != 1:
            continue
        if output.dim() == 4 and output[0, 0].numel() > 1:
            _, channels, height, width = output.shape
            grids[channels] = (height, width)
            maps.append(FeatureMap(name, height, width, None))
        elif output.dim() == 3 and output.shape[2] in grids:
            height, width = grids[output.shape[2]]
            class_tokens = output.shape[1] - height * width
            if 0 <= class_tokens <= _MOST_CLASS_TOKENS:
                maps.append(FeatureMap(name, height, width, class_tokens))
    return maps


def _coarsest(candidates: list[tuple[FeatureMap, bool]]) -> FeatureMap | None:
    """Return the last map with a gradient among those no finer than the ones before them.

    Finer ones are no features of the image's regions: a pooled position repeated, attention
    between all tokens, channels in the place of columns.
    """
    coarsest, finest = None, float("inf")
    for candidate, has_gradient in candidates:
        positions = candidate.height * candidate.width
        if positions <= finest:
            finest = positions
            coarsest = candidate if has_gradient else coarsest
    return coarsest
