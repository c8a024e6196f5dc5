"""Models by name, each behind its normalisation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from scaat.errors import InputError, did_you_mean
from scaat.models.adapters import Logits
from scaat.models.bcos import put_bcos
from scaat.models.classifier import Classifier, Normalize, Resize
from scaat.models.recipes import (
    Factory,
    Recipe,
    from_timm,
    from_torchvision,
    from_user,
    library_of,
    refusal,
)
from scaat.models.smooth_activations import put_silus
from scaat.models.smoothed import smooth_behind
from scaat.passes import evaluation_mode, search_view
from scaat.registry import Registry

models: Registry[Factory] = Registry("model")

_LIBRARIES = {"torchvision": from_torchvision, "timm": from_timm}
_CHANGES = {"silu": put_silus, "bcos": put_bcos}


def build_model(
    name: str,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    channels: int = 3,
    input_size: tuple[int, int] | None = None,
    adapter: str = "auto",
) -> Classifier:
    """Construct a model whose first layer normalises, and try it on one size of images.

    Args:
        name: A registered name, ``torchvision:NAME`` for any of torchvision's classifiers,
            ``timm:NAME`` for one of timm's where that is installed, or ``package.module:factory``
            for a function of the user's own that returns a module, called with ``num_classes`` and,
            where it has such parameters, ``image_size`` and ``channels``. ``smoothed:LAYER:NAME``
            is any of these with its feature maps smoothed behind a layer (`FeatureSmoothing`),
            ``silu:NAME`` with SiLUs in place of its ReLUs, ``bcos:NAME`` with B-cos layers in place
            of its linear ones.
        num_classes: Number of logits; 1 for a single one, whose sign separates two classes.
        image_size: Height and width of the images, in pixels.
        mean: Mean of each channel, for images in [0, 1]; None for a network that normalises itself.
        std: Standard deviation of each channel; None where ``mean`` is.
        channels: Of the images, 1 or 3. Grey ones are repeated for networks that take colour.
        input_size: Height and width to which the model resizes; None is ``image_size``.
        adapter: Turns what the network returns into logits; see `find_adapter`.

    Returns:
        Maps images (N, C, H, W) in [0, 1] to logits (N, num_classes), or (N, 2) where the network
        has a single logit (`class_logits`); its submodule ``network`` is the named network.

    Raises:
        InputError: The name is unknown, the network does not come in this size or gives no such
            logits, or the user's module or factory cannot be imported.
    """
    recipe = find_model(name)
    with refusal(name, input_size or image_size):
        taken = channels if recipe.any_channels else 3
        network = recipe.build(num_classes, input_size or image_size, taken)
    if channels == 1 and not recipe.any_channels:  # three statistics make three channels
        mean, std = (
            values if len(values) == 3 else tuple(values) * 3
            for values in (mean or (0.0,), std or (1.0,))
        )
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if mean is not None and std is not None:
        layers["normalize"] = Normalize(mean, std)
    if input_size is not None and input_size != image_size:
        layers["resize"] = Resize(input_size)
    layers["network"] = network
    layers["logits"] = Logits(adapter)
    model = Classifier(layers)
    _try(model, name, (2, channels, *image_size), num_classes)
    return model


def find_model(name: str) -> Recipe:
    """Return what builds the network called ``name``, without building it.

    Raises:
        InputError: The name is unknown, or the user's module or factory cannot be imported.
    """
    prefix, colon, rest = name.partition(":")
    if not colon:
        if name not in models and (library := library_of(name)):
            raise InputError(f"unknown model {name!r} (did you mean '{library}:{name}'?)")
        factory = models[name]
        return Recipe(lambda num_classes, image_size, _: factory(num_classes, image_size))
    if prefix in _LIBRARIES:
        return _LIBRARIES[prefix](rest)
    if prefix in _CHANGES:
        return find_model(rest).changed(name, _CHANGES[prefix])
    if prefix == "smoothed":
        layer, _, inner = rest.partition(":")
        if not (layer and inner):
            raise InputError(
                f"model {name!r} has another form than smoothed:LAYER:MODEL, such as "
                "smoothed:layer1:resnet18"
            )
        return find_model(inner).changed(name, partial(smooth_behind, layer=layer))
    try:
        return from_user(name)
    except InputError as error:
        nearest = did_you_mean(prefix, [*_LIBRARIES, "smoothed", *_CHANGES])
        raise InputError(f"{error}{nearest}") from error


def _try(model: Classifier, name: str, shape: tuple[int, ...], num_classes: int) -> None:
    """Refuse a network that cannot take images of this shape, or gives no logits of the classes.

    It is run as in evaluation and as in training, where several networks have more heads, and
    keeps its modes, buffers and the random generator as they are.
    """
    images = torch.zeros(shape, device=next((w.device for w in model.parameters()), None))
    with torch.random.fork_rng(devices=[]), torch.no_grad(), refusal(name, (shape[2], shape[3])):
        with evaluation_mode(model):
            logits = model(images)
        outputs: list[Any] = []
        hook = model.get_submodule("network").register_forward_hook(
            lambda _module, _inputs, output: outputs.append(output)
        )
        search_view(model)(images)
        hook.remove()
    model.several_outputs = not isinstance(outputs[0], Tensor)
    if logits.shape != (2, max(num_classes, 2)):
        output = outputs[0] if isinstance(outputs[0], Tensor) else logits
        raise InputError(
            f"model {name!r} returns shape {tuple(output.shape)} for two images, expected logits "
            f"of shape (2, {num_classes})"
        )
