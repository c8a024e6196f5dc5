"""Options as fields of a dataclass: default and range with the field, help in its ``Args``."""

from __future__ import annotations

import dataclasses
import math
import operator
from types import MappingProxyType
from typing import Any, TypeVar

from scaat.docstrings import argument_help
from scaat.errors import InputError

T = TypeVar("T")

_RANGES = {
    "least": (operator.ge, "{:,} or more"),
    "most": (operator.le, "at most {:,}"),
    "above": (operator.gt, "above {:,}"),
    "below": (operator.lt, "below {:,}"),
}


def option(default: Any, **ranges: float) -> Any:
    """Return a field of a dataclass.

    Args:
        default: Its value if not given.
        **ranges: ``least`` and ``most`` are the smallest and the largest value; a value must be
            ``above`` and ``below`` the others.
    """
    return dataclasses.field(default=default, metadata={"ranges": ranges})


def described(options: type[T]) -> type[T]:
    """Give each field of a dataclass its text from the docstring: the command line's help."""
    texts = argument_help(options.__doc__ or "")
    for each in dataclasses.fields(options):  # type: ignore[arg-type]
        each.metadata = MappingProxyType({**each.metadata, "help": texts.get(each.name, "")})
    return options


def check_ranges(options: Any) -> None:
    """Raise `InputError` for the first number outside its range; None is in every range."""
    for each in dataclasses.fields(options):
        value, ranges = getattr(options, each.name), each.metadata.get("ranges")
        if value is None or not ranges:
            continue
        holds = (_RANGES[name][0](value, end) for name, end in ranges.items())
        if not math.isfinite(value) or not all(holds):
            expected = " and ".join(_RANGES[name][1].format(end) for name, end in ranges.items())
            raise InputError(f"{each.name} is {value!r}, expected {expected}")
