"""A field of an options class, declared once: its default, its help text and its range."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any

from scaat.errors import InputError

_RANGES = {
    "least": (operator.ge, "{:,} or more"),
    "most": (operator.le, "at most {:,}"),
    "above": (operator.gt, "above {:,}"),
    "below": (operator.lt, "below {:,}"),
}


def option(default: Any, text: str, **ranges: float) -> Any:
    """Return a field of a dataclass.

    Args:
        default: Its value if not given.
        text: Its documentation, which is the command line's help.
        **ranges: ``least`` and ``most`` are the smallest and the largest value; a value must be
            ``above`` and ``below`` the others.
    """
    return dataclasses.field(default=default, metadata={"help": text, "ranges": ranges})


def check_ranges(options: Any) -> None:
    """Raise `InputError` for the first number outside its range; None is in every range."""
    for each in dataclasses.fields(options):
        value, ranges = getattr(options, each.name), each.metadata["ranges"]
        if value is None or not ranges:
            continue
        holds = (_RANGES[name][0](value, end) for name, end in ranges.items())
        if not math.isfinite(value) or not all(holds):
            expected = " and ".join(_RANGES[name][1].format(end) for name, end in ranges.items())
            raise InputError(f"{each.name} is {value!r}, expected {expected}")
