"""Typed look-ups in parsed JSON that name the file and the key in every complaint."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scaat.errors import InputError
from scaat.report.source import Array


@dataclass(frozen=True)
class Entry:
    """A mapping of a JSON file, at a place such as ``rows[3].curves``."""

    path: Path
    where: str
    values: Mapping[str, Any]

    def name(self, key: str) -> str:
        """Return the full name of a key, as a complaint gives it."""
        return f"{self.where}.{key}" if self.where else key

    def fault(self, key: str, found: object, expected: str) -> InputError:
        """Return the complaint about the value of a key."""
        return InputError(f"{self.path}: {self.name(key)} is {found!r:.60}, expected {expected}")

    def has(self, key: str) -> bool:
        """Return whether an optional key is there and not null."""
        return self.values.get(key) is not None

    def get(self, key: str) -> Any:
        """Return the value of a key that must be there."""
        if key not in self.values:
            raise InputError(f"{self.path}: key '{self.name(key)}' is missing")
        return self.values[key]

    def entry(self, key: str) -> Entry:
        """Return a mapping inside this one."""
        value = self.get(key)
        if not isinstance(value, dict):
            raise self.fault(key, value, "a mapping")
        return Entry(self.path, self.name(key), value)

    def entries(self, key: str) -> list[Entry]:
        """Return the mappings of a list."""
        values = self.get(key)
        if not isinstance(values, list):
            raise self.fault(key, values, "a list of mappings")
        for i, value in enumerate(values):
            if not isinstance(value, dict):
                raise self.fault(f"{key}[{i}]", value, "a mapping")
        return [Entry(self.path, f"{self.name(key)}[{i}]", v) for i, v in enumerate(values)]

    def text(self, key: str) -> str:
        """Return a name: a text that is not empty."""
        value = self.get(key)
        if not isinstance(value, str) or not value:
            raise self.fault(key, value, "a name")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of names."""
        value = self.get(key)
        if not isinstance(value, list):
            raise self.fault(key, value, "a list of names")
        return tuple(map(str, value))

    def integer(self, key: str) -> int:
        """Return a whole number."""
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fault(key, value, "a whole number")
        return value

    def number(self, key: str) -> float | None:
        """Return a finite number, or None for null."""
        value = self.get(key)
        if value is not None and not _is_number(value):
            raise self.fault(key, value, "a finite number or null")
        return None if value is None else float(value)

    def numbers(self, key: str, length: int | None = None, *, gaps: bool = False) -> Array:
        """Return a list of finite numbers, one at least, as an array; null becomes NaN."""
        values = self.get(key)
        if not isinstance(values, list) or not values:
            raise self.fault(key, values, "a list of numbers")
        for i, value in enumerate(values):
            if not _is_number(value) and not (gaps and value is None):
                raise self.fault(f"{key}[{i}]", value, "a finite number")
        if length is not None and len(values) != length:
            raise InputError(
                f"{self.path}: {self.name(key)} has {len(values)} values, expected {length}"
            )
        return np.array([math.nan if v is None else v for v in values], dtype=np.float64)


def _is_number(value: object) -> bool:
    # A comparison, since a long integer is too large to be asked whether it is finite.
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )
