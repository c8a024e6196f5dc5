"""Settings as the page lists them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scaat.report.catalogue import attribution_name, method_name
from scaat.report.results import Row


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as ``{"a.b": text}``, in their order."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )
    return flat


def split_settings(
    rows: Sequence[Row],
) -> tuple[list[tuple[str, str]], list[tuple[str, str, str]]]:
    """Return what all rows share as (key, value), and the rest as (key, value, of which rows)."""
    flats = [flatten(row.settings) for row in rows]
    keys = dict.fromkeys(key for flat in flats for key in flat)
    shared: list[tuple[str, str]] = []
    differing: list[tuple[str, str, str]] = []
    for key in keys:
        holders: dict[str, list[Row]] = {}
        for row, flat in zip(rows, flats, strict=True):
            if key in flat:
                holders.setdefault(flat[key], []).append(row)
        if [len(held) for held in holders.values()] == [len(rows)]:
            shared.append((key, next(iter(holders))))
        else:
            differing += [(key, value, _whose(held, rows)) for value, held in holders.items()]
    return shared, differing


def _whose(held: Sequence[Row], rows: Sequence[Row]) -> str:
    """Name some rows briefly: by the first thing that tells them from the others."""
    namers: dict[str, Callable[[Any], str]] = {
        "method": method_name,
        "attribution": attribution_name,
        "seed": lambda seed: f"seed {seed}",
        "data": str,
        "model": str,
    }
    for field, name in namers.items():
        values = dict.fromkeys(getattr(row, field) for row in held)
        if sum(getattr(row, field) in values for row in rows) == len(held):
            return ", ".join(name(value) for value in values)
    return ", ".join(
        f"{method_name(row.method)} with {attribution_name(row.attribution)} "
        f"({row.data}, {row.model}, seed {row.seed})"
        for row in held
    )
