"""Things of the user's own by name: ``package.module:name``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from scaat.errors import InputError, did_you_mean
from scaat.models.recipe import Factory, Recipe


def import_named(kind: str, spec: str) -> Any:
    """Return what ``package.module:name`` stands for.

    Args:
        kind: What it is called in messages.
        spec: The name.

    Raises:
        InputError: There is no such module, or it has nothing of that name.
    """
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
    """Return the recipe of a factory of the user's own.

    It gets ``num_classes`` by keyword and, where it has such parameters, ``image_size`` (height
    and width) and ``channels`` (1 for grey images, else 3).

    Raises:
        InputError: The module or factory cannot be had.
    """
    factory = import_named("model", spec)
    named = _parameters(factory)

    def for_channels(channels: int) -> Factory:
        def build(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
            offered = {"image_size": image_size, "channels": channels}
            wanted = {name: value for name, value in offered.items() if name in named}
            network = factory(num_classes=num_classes, **wanted)
            if not isinstance(network, nn.Module):
                raise InputError(
                    f"model {spec!r}: the factory returned {type(network).__name__}, expected a "
                    "torch.nn.Module"
                )
            return network

        return build

    return Recipe(for_channels(3), by_channel=for_channels if "channels" in named else None)


def _parameters(factory: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(factory).parameters)
    except (TypeError, ValueError):  # not callable, or built in: calling it tells
        return ()
