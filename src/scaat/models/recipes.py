"""Networks by name before they are built: of torchvision, of timm and of the user."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from scaat.errors import InputError, did_you_mean

Factory = Callable[[int, tuple[int, int]], nn.Module]
"""Maps (number of classes, image height and width) to a network."""

Build = Callable[[int, tuple[int, int], int], nn.Module]
"""The same with the images' channels, which most networks ignore."""


@dataclass(frozen=True)
class Recipe:
    """How a network is built, and what its library says that it takes.

    Attributes:
        build: Makes the network, from the number of classes, the image size and the channels.
        mean: Mean of each channel of images in [0, 1] that its pretrained weights expect, or None
            where no library says.
        std: Their standard deviation, or None.
        size: Height and width that its pretrained weights expect, or None.
        any_channels: Whether the network is built for the images' channels: so is a factory of
            the user's own that names ``channels``. All others take three, and grey images are
            repeated for them.
    """

    build: Build
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    any_channels: bool = False

    def changed(self, spec: str, change: Callable[[nn.Module, Tensor], None]) -> Recipe:
        """Return the recipe of the same network after a change in place; errors call it ``spec``.

        The change gets one black image (1, channels, H, W), too, and may raise `InputError`.
        """

        def build(num_classes: int, image_size: tuple[int, int], channels: int) -> nn.Module:
            network = self.build(num_classes, image_size, channels)
            try:
                change(network, torch.zeros(1, channels, *image_size))
            except InputError as error:
                raise InputError(f"model {spec!r}: {error}") from error
            return network

        return replace(self, build=build)


@contextmanager
def refusal(spec: str, image_size: tuple[int, int]) -> Iterator[None]:
    """Make one sentence of a library's refusal to build or run a network for a size."""
    try:
        yield
    except InputError:
        raise
    # Anything may come out of a library, or of a network of the user's own.
    except Exception as error:
        height, width = image_size
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"model {spec!r} cannot be built for images of {height}x{width} ({reason})"
        ) from error


def torchvision_models() -> list[str]:
    """Return the names of torchvision's classifiers."""
    from torchvision.models import list_models

    return list(list_models(module=importlib.import_module("torchvision.models")))


def timm_models() -> list[str]:
    """Return the names of timm's networks; none where it is not installed."""
    try:
        return list(importlib.import_module("timm").list_models())
    except ImportError:
        return []


def library_of(name: str) -> str | None:
    """Return the library that has a network of this very name, torchvision first, or None."""
    if name in torchvision_models():
        return "torchvision"
    return "timm" if name in timm_models() else None


def from_torchvision(name: str) -> Recipe:
    """Return the recipe of one of torchvision's classifiers; `InputError` if there is none."""
    from torchvision.models import get_model_builder, get_model_weights

    known = torchvision_models()
    if name not in known:
        raise InputError(
            f"torchvision has no classifier {name!r}{did_you_mean(name, known)}; "
            "torchvision.models.list_models() lists them"
        )
    spec = f"torchvision:{name}"
    builder = get_model_builder(name)
    # Ask the class: a builder passes on what it does not name itself.
    accepted = inspect.signature(inspect.signature(builder).return_annotation).parameters
    options: dict[str, Any] = {"weights": None}
    if "init_weights" in accepted:  # GoogLeNet and Inception warn unless told
        options["init_weights"] = True

    def build(num_classes: int, image_size: tuple[int, int], _: int) -> nn.Module:
        sizes: dict[str, Any] = {}
        if "image_size" in accepted:  # the vision transformers' one side
            height, width = image_size
            if height != width:
                raise InputError(f"model {spec!r} takes square images, found {height}x{width}")
            sizes["image_size"] = height
        elif "input_size" in accepted:
            sizes["input_size"] = image_size
        with refusal(spec, image_size):
            network: nn.Module = builder(**options, num_classes=num_classes, **sizes)
        return network

    expected = next(iter(get_model_weights(name))).transforms()
    (side,) = expected.crop_size
    return Recipe(build, tuple(expected.mean), tuple(expected.std), (side, side))


def from_timm(name: str) -> Recipe:
    """Return the recipe of one of timm's networks; `InputError` without it or without timm."""
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise InputError(
            f"model 'timm:{name}' needs the package timm (pip install timm)"
        ) from error
    if not timm.is_model(name):
        known = did_you_mean(name, timm.list_models())
        raise InputError(f"timm has no model {name!r}{known}; timm.list_models() lists them")
    expected = timm.get_pretrained_cfg(name)

    def build(num_classes: int, image_size: tuple[int, int], _: int) -> nn.Module:
        sizes = {"img_size": image_size} if expected and expected.fixed_input_size else {}
        with refusal(f"timm:{name}", image_size):
            network: nn.Module = timm.create_model(name, num_classes=num_classes, **sizes)
        return network

    if expected is None:
        return Recipe(build)
    _, height, width = expected.input_size
    return Recipe(build, tuple(expected.mean), tuple(expected.std), (height, width))


def import_named(kind: str, spec: str) -> Any:
    """Import ``package.module:name``, which messages call a ``kind``; `InputError` if it fails."""
    module_name, _, name = spec.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError, AttributeError) as error:
        raise InputError(
            f"{kind} {spec!r}: module {module_name!r} cannot be imported ({error})"
        ) from error
    try:
        return getattr(module, name)
    except AttributeError:
        nearest = did_you_mean(name, dir(module))
        raise InputError(
            f"{kind} {spec!r}: module {module_name!r} has no {name!r}{nearest}"
        ) from None


def from_user(spec: str) -> Recipe:
    """Return the recipe of a factory of the user's own; `InputError` if it cannot be imported.

    It gets ``num_classes`` by keyword and, where it has such parameters, ``image_size`` (height and
    width) and ``channels`` (1 for grey images, else 3).
    """
    factory = import_named("model", spec)
    try:
        named = tuple(inspect.signature(factory).parameters)
    except (TypeError, ValueError):  # not callable, or built in
        named = ()

    def build(num_classes: int, image_size: tuple[int, int], channels: int) -> nn.Module:
        offered = {"image_size": image_size, "channels": channels}
        wanted = {name: value for name, value in offered.items() if name in named}
        network = factory(num_classes=num_classes, **wanted)
        if not isinstance(network, nn.Module):
            raise InputError(
                f"model {spec!r}: the factory returned {type(network).__name__}, expected a "
                "torch.nn.Module"
            )
        return network

    return Recipe(build, any_channels="channels" in named)
