"""Models by name, each behind its normalisation."""

from __future__ import annotations

import importlib
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

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
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> nn.Module:
    """Construct a model whose first layer normalises.

    Args:
        name: A registered name, ``torchvision:NAME`` for any of torchvision's classifiers,
            ``timm:NAME`` for one of timm's where that is installed, or ``package.module:factory``
            for a function of the user's own that returns a module. The function gets
            ``num_classes`` by keyword and, where it has such a parameter, ``image_size``.
        num_classes: Number of logits.
        image_size: Height and width of the images, in pixels.
        mean: Mean of each channel, for images in [0, 1]; None for a network that normalises
            itself.
        std: Standard deviation of each channel; None where ``mean`` is.

    Returns:
        Module that maps images (N, C, H, W) in [0, 1] to logits (N, num_classes); its submodule
        ``network`` is what the name stands for.

    Raises:
        InputError: The name is unknown, the network does not come in this size, or the user's
            module or factory cannot be had.
    """
    network = find_model(name)(num_classes, image_size)
    if mean is None or std is None:
        return nn.Sequential(OrderedDict(network=network))
    return nn.Sequential(OrderedDict(normalize=Normalize(mean, std), network=network))


def find_model(name: str) -> Factory:
    """Return what builds the network called ``name``, without building it.

    Raises:
        InputError: The name is unknown, or the user's module or factory cannot be had.
    """
    prefix, colon, rest = name.partition(":")
    if not colon:
        return models[name]
    libraries = {"torchvision": _from_torchvision, "timm": _from_timm}
    return libraries[prefix](rest) if prefix in libraries else _from_user(prefix, rest)


def _from_torchvision(name: str) -> Factory:
    from torchvision.models import get_model_builder, list_models

    known = list_models(module=importlib.import_module("torchvision.models"))
    if name not in known:
        raise InputError(
            f"torchvision has no classifier {name!r}{did_you_mean(name, known)}; "
            "torchvision.models.list_models() lists them"
        )

    builder = get_model_builder(name)
    # Only the class tells: a builder passes on what it does not name itself.
    accepted = inspect.signature(inspect.signature(builder).return_annotation).parameters

    def build(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
        sizes: dict[str, Any] = {}
        if "image_size" in accepted:  # the vision transformers' one side
            sizes["image_size"] = _side(f"torchvision:{name}", image_size)
        elif "input_size" in accepted:
            sizes["input_size"] = image_size
        with _refusal(f"torchvision:{name}", image_size):
            network: nn.Module = builder(weights=None, num_classes=num_classes, **sizes)
        return network

    return build


def _from_timm(name: str) -> Factory:
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise InputError(
            f"model 'timm:{name}' needs the package timm (pip install timm)"
        ) from error
    if not timm.is_model(name):
        known = did_you_mean(name, timm.list_models())
        raise InputError(f"timm has no model {name!r}{known}; timm.list_models() lists them")

    def build(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
        defaults = timm.get_pretrained_cfg(name)
        sizes = {"img_size": image_size} if defaults and defaults.fixed_input_size else {}
        with _refusal(f"timm:{name}", image_size):
            network: nn.Module = timm.create_model(name, num_classes=num_classes, **sizes)
        return network

    return build


@contextmanager
def _refusal(spec: str, image_size: tuple[int, int]) -> Iterator[None]:
    """Make one sentence of a library's refusal to build a network for a size."""
    try:
        yield
    except (AssertionError, RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
        height, width = image_size
        raise InputError(
            f"model {spec!r} cannot be built for images of {height}x{width} "
            f"({' '.join(str(error).split())})"
        ) from error


def _side(spec: str, image_size: tuple[int, int]) -> int:
    height, width = image_size
    if height != width:
        raise InputError(f"model {spec!r} takes square images, found {height}x{width}")
    return height


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
        network = factory(num_classes=num_classes, **_size_option(factory, image_size))
        if not isinstance(network, nn.Module):
            raise InputError(
                f"model {spec!r}: the factory returned {type(network).__name__}, expected a "
                "torch.nn.Module"
            )
        return network

    return build


def _size_option(factory: Callable[..., Any], image_size: tuple[int, int]) -> dict[str, Any]:
    """Return the keyword ``image_size`` if the factory names it."""
    try:
        takes_size = "image_size" in inspect.signature(factory).parameters
    except (TypeError, ValueError):  # not callable, or built in: calling it tells
        takes_size = False
    return {"image_size": image_size} if takes_size else {}
