"""Networks of torchvision and timm by name."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from torch import nn

from scaat.errors import InputError, did_you_mean
from scaat.models.recipe import Recipe, refusal


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
    """Return the recipe of one of torchvision's classifiers.

    Raises:
        InputError: There is none of that name.
    """
    from torchvision.models import get_model_builder, get_model_weights

    known = torchvision_models()
    if name not in known:
        raise InputError(
            f"torchvision has no classifier {name!r}{did_you_mean(name, known)}; "
            "torchvision.models.list_models() lists them"
        )
    spec = f"torchvision:{name}"
    builder = get_model_builder(name)
    # Only the class tells: a builder passes on what it does not name itself.
    accepted = inspect.signature(inspect.signature(builder).return_annotation).parameters
    options: dict[str, Any] = {"weights": None}
    if "init_weights" in accepted:  # GoogLeNet and Inception warn unless told
        options["init_weights"] = True

    def build(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
        sizes: dict[str, Any] = {}
        if "image_size" in accepted:  # the vision transformers' one side
            sizes["image_size"] = _side(spec, image_size)
        elif "input_size" in accepted:
            sizes["input_size"] = image_size
        with refusal(spec, image_size):
            network: nn.Module = builder(**options, num_classes=num_classes, **sizes)
        return network

    expected = next(iter(get_model_weights(name))).transforms()
    (side,) = expected.crop_size
    return Recipe(build, tuple(expected.mean), tuple(expected.std), (side, side))


def from_timm(name: str) -> Recipe:
    """Return the recipe of one of timm's networks.

    Raises:
        InputError: timm is not installed or has none of that name.
    """
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

    def build(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
        sizes = {"img_size": image_size} if expected and expected.fixed_input_size else {}
        with refusal(f"timm:{name}", image_size):
            network: nn.Module = timm.create_model(name, num_classes=num_classes, **sizes)
        return network

    if expected is None:
        return Recipe(build)
    _, height, width = expected.input_size
    return Recipe(build, tuple(expected.mean), tuple(expected.std), (height, width))


def _side(spec: str, image_size: tuple[int, int]) -> int:
    height, width = image_size
    if height != width:
        raise InputError(f"model {spec!r} takes square images, found {height}x{width}")
    return height
