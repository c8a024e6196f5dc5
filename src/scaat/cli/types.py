"""Values that the command line understands beyond click's own."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import click

from scaat.errors import did_you_mean


class Number(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A float, which may be written as a fraction such as ``8/255``."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the value as a float, or fail with one sentence."""
        try:
            return (
                float(Fraction(value)) if isinstance(value, str) and "/" in value else float(value)
            )
        except (TypeError, ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a number (write 0.03 or 8/255).", param, ctx)


class Choice(click.Choice):  # type: ignore[type-arg]  # generic since click 8.2
    """One of a few names; a misspelt one is told the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with one sentence."""
        try:
            return str(super().convert(value, param, ctx))
        except click.BadParameter as error:
            nearest = did_you_mean(str(value), map(str, self.choices))
            self.fail(f"{error.message.rstrip('.')}{nearest}.", param, ctx)


class Names(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """Several names, separated by commas; an empty tuple is a default only."""

    name = "name,..."
    takes_list = True

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


NUMBER = Number()
NAMES = Names()
