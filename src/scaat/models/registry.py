"""Models by name, each behind its normalisation."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import nn

from scaat.errors import InputError, did_you_mean
from scaat.models.normalize import Normalize
from scaat.registry import Registry

Factory = Callable[[int, tuple[int, int]], nn.Module]
"""Maps (number of classes, image height and width) to a network that returns logits."""

models: Registry[Factory] = Registry("model")


def build_model(
    name: str,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    mean: Sequence[float],
    std: Sequence[float],
) -> nn.Module:
    """Construct a model whose first layer normalises.

    Args:
        name: A registered name, ``torchvision:NAME`` for any of torchvision's classifiers, or
            ``package.module:factory`` for a function of the user's own that takes
            ``num_classes`` by keyword and returns a module.
        num_classes: Number of logits.
        image_size: Height and width of the images, in pixels.
        mean: Mean of each channel, for images in [0, 1].
        std: Standard deviation of each channel.

    Returns:
        Module that maps images (N, C, H, W) in [0, 1] to logits (N, num_classes).

    Raises:
        InputError: The name is unknown, or the user's module or factory cannot be had.
    """
    network = find_model(name)(num_classes, image_size)
    return nn.Sequential(OrderedDict(normalize=Normalize(mean, std), network=network))


def find_model(name: str) -> Factory:
    """Return what builds the network called ``name``, without building it.

    Raises:
        InputError: The name is unknown, or the user's module or factory cannot be had.
    """
    prefix, colon, rest = name.partition(":")
    if not colon:
        return models[name]
    return _from_torchvision(rest) if prefix == "torchvision" else _from_user(prefix, rest)


def _from_torchvision(name: str) -> Factory:
    from torchvision.models import get_model, list_models

    known = list_models(module=importlib.import_module("torchvision.models"))
    if name not in known:
        raise InputError(
            f"torchvision has no classifier {name!r}{did_you_mean(name, known)}; "
            "torchvision.models.list_models() lists them"
        )

    def build(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
        network: nn.Module = get_model(name, weights=None, num_classes=num_classes)
        return network

    return build


def _from_user(module_name: str, factory_name: str) -> Factory:
    spec = f"{module_name}:{factory_name}"
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except ImportError as error:
        raise InputError(
            f"model {spec!r}: module {module_name!r} cannot be imported ({error})"
        ) from error
    except AttributeError:
        raise InputError(
            f"model {spec!r}: module {module_name!r} has no {factory_name!r}"
        ) from None

    def build(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
        network = factory(num_classes=num_classes)
        if not isinstance(network, nn.Module):
            raise InputError(
                f"model {spec!r}: the factory returned {type(network).__name__}, expected a "
                "torch.nn.Module"
            )
        return network

    return build
