"""Values that the command line understands beyond click's own."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pkgutil import resolve_name
from typing import Any

import click
from click.shell_completion import CompletionItem

from scaat.errors import InputError, did_you_mean, unknown

Statistics = tuple[tuple[float, ...] | None, tuple[float, ...] | None]
"""Mean and standard deviation of each channel, or None for a network that normalises itself."""

LARGEST_SEED = 2**32 - 1
"""NumPy's legacy generator, by which scikit-learn splits, takes no larger one."""


class Value(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """What a function makes of a text, or of what a configuration file has in its place.

    The function may raise `InputError`. With ``takes_list`` the file may hold a list.
    """

    def __init__(self, name: str, read: Callable[[Any], Any], *, takes_list: bool = False) -> None:
        self.name = name
        self.read = read
        self.takes_list = takes_list

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value, or fail with the function's sentence."""
        try:
            return self.read(value)
        except InputError as error:
            self.fail(f"{error}.", param, ctx)


def _number(value: Any) -> float:
    try:
        return float(Fraction(value)) if isinstance(value, str) and "/" in value else float(value)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{value!r} is not a number (write 0.03 or 8/255)") from error


def _seeds(value: Any) -> tuple[int, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    texts = [str(part).strip() for part in parts]
    if not texts or not all(text.isdecimal() for text in texts) or len(set(texts)) < len(texts):
        raise InputError(f"{value!r} is no list of different seeds (write 0,1,2)")
    seeds = tuple(map(int, texts))
    if max(seeds) > LARGEST_SEED:
        raise InputError(f"seed {max(seeds)} is too large, expected at most {LARGEST_SEED}")
    return seeds


def _size(value: Any) -> tuple[int, int]:
    parts = str(value).lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"{value!r} is no size (write 224, or 480x640 for height x width)")
    return int(parts[0]), int(parts[-1])


def _normalisation(value: Any) -> Statistics:
    if value in ("none", [None, None], (None, None)):
        return None, None
    if value == "imagenet":
        from scaat.training.architecture import IMAGENET

        return IMAGENET
    try:
        texts = value.split(",") if isinstance(value, str) else [*value[0], *value[1]]
        numbers = tuple(map(float, texts))
    except (TypeError, ValueError, IndexError):
        numbers = ()
    if len(numbers) != 6 or not all(0 < deviation < float("inf") for deviation in numbers[3:]):
        raise InputError(
            f"{value!r} is neither imagenet nor none nor six numbers: the means of red, green "
            "and blue, then their standard deviations, for images in [0, 1]"
        )
    return numbers[:3], numbers[3:]


def _vary(value: Any) -> tuple[str, tuple[str, ...]]:
    name, equals, rest = str(value).partition("=")
    texts = tuple(part.strip() for part in rest.split(","))
    if not equals or not all(texts) or len(set(texts)) < len(texts):
        raise InputError(
            f"{value!r} is no option with different values (write scaat.epsilon=8/255,16/255)"
        )
    # Settings files spell an option with underscores, flags with hyphens.
    return name.strip().lstrip("-").replace("_", "-"), texts


NUMBER = Value("number", _number)
"""A float, which may be written as a fraction such as ``8/255``."""
SEED = click.IntRange(0, LARGEST_SEED)
"""A whole number that every generator takes."""
SEEDS = Value("seed,...", _seeds, takes_list=True)
"""Different whole numbers of 0 or more, separated by commas."""
SIZE = Value("height x width", _size)
"""A height and width such as ``224x224``, or one number for both."""
NORMALISATION = Value("statistics", _normalisation, takes_list=True)
"""``imagenet``, ``none``, or six numbers: three means and three standard deviations."""
VARY = Value("name=value,...", _vary)
"""An option's name and its values: ``scaat.epsilon=8/255,16/255``."""


class Choice(click.Choice):  # type: ignore[type-arg]  # generic since click 8.2
    """One of a few names; the error for an unknown one suggests the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with one sentence."""
        try:
            return str(super().convert(value, param, ctx))
        except click.BadParameter as error:
            nearest = did_you_mean(str(value), map(str, self.choices))
            self.fail(f"{error.message.rstrip('.')}{nearest}.", param, ctx)


class Entry(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A ``kind`` of entry in a registry, ``"module:name"``, imported to check or complete it."""

    def __init__(self, kind: str, registry: str) -> None:
        self.name = self.kind = kind
        self.registry = registry

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with one sentence."""
        known = list(resolve_name(self.registry))
        if value not in known:
            self.fail(f"{unknown(self.kind, str(value), known)}.", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the name."""
        return [
            CompletionItem(name)
            for name in resolve_name(self.registry)
            if name.startswith(incomplete)
        ]


class Names(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """Several names, separated by commas; a shell completes those of a registry, if given."""

    name = "name,..."
    takes_list = True

    def __init__(self, registry: str | None = None) -> None:
        self.registry = registry

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names as a tuple, or fail with one sentence."""
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            self.fail(f"{value!r} is not a list of names.", param, ctx)
        names = tuple(str(part).strip() for part in parts)
        empty = not names and isinstance(value, str)
        if empty or not all(names) or len(set(names)) < len(names):
            self.fail(f"{value!r} is not a list of different names.", param, ctx)
        return names

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the last name with those that are not given yet."""
        before, comma, last = incomplete.rpartition(",")
        return [
            CompletionItem(f"{before}{comma}{name}")
            for name in (resolve_name(self.registry) if self.registry else ())
            if name.startswith(last) and name not in before.split(",")
        ]
