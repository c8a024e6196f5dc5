"""Sweeps: the settings, the Pareto front, and a table and a figure of what each setting gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaat.display.labels import METRICS, Estimate, attribution_name, seconds_text
from scaat.display.style import INK, MUTED, WIDTH, style
from scaat.display.table import Cell, Line, Table, printed
from scaat.studies.estimates import Setting

COLUMNS = ("accuracy", "entropy", "gini", "aopc_lerf", "aopc_morf", "aopc_rel")
ON_FRONT = "no other setting has both a higher accuracy and a lower AOPC LeRF"
WHERE_MEASURED = ("squares_rel", "lattice_share")

Values = Mapping[str, Sequence[Any]]
Point = dict[str, Any]


def combinations(values: Values, *, one_at_a_time: bool = False) -> list[Point]:
    """Return the points of a sweep, by option what differs from the settings it starts from.

    Args:
        values: By option the values to try, each at least one.
        one_at_a_time: Vary each option alone, the others as they start: as many points as there
            are values, after one where nothing is varied.
    """
    if one_at_a_time:
        alone = [{name: value} for name, tried in values.items() for value in tried]
        return [{}, *alone]
    return [dict(zip(values, point, strict=True)) for point in product(*values.values())]


def pareto_front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Return for each point whether no other is at least as good in all and better in one.

    Args:
        points: Of equal length; in each place more is better. A point with NaN is not on the
            front, and puts no other off it.
    """
    if not points:
        return []
    table = np.asarray(points, dtype=np.float64)
    others, own = table[:, None], table[None]
    beaten = ((others >= own).all(2) & (others > own).any(2)).any(0)
    ahead = np.logical_not(beaten | np.isnan(table).any(1))
    return [bool(value) for value in ahead]


def front(settings: Sequence[Setting], attribution: str) -> list[bool]:
    """Tell which settings no other beats in both accuracy and AOPC LeRF (the lower the better)."""
    return pareto_front(
        [
            (
                _value(setting.estimate("accuracy", attribution)),
                -_value(setting.estimate("aopc_lerf", attribution)),
            )
            for setting in settings
        ]
    )


def measured_columns(settings: Sequence[Setting], attribution: str) -> tuple[str, ...]:
    """Return the measures that a sweep shows: some always, others where a setting has them."""
    others = (key for key in WHERE_MEASURED if any(s.estimate(key, attribution) for s in settings))
    return (*COLUMNS, *others)


def sweep_table(
    settings: Sequence[Setting],
    attribution: str,
    *,
    ahead: Sequence[bool] | None = None,
    note: str = ON_FRONT,
) -> Table:
    """Return the measures of every setting by one saliency method.

    Args:
        settings: The settings.
        attribution: The saliency method.
        ahead: Which of the settings are in bold; by default those on the `front`.
        note: What bold means.
    """
    ahead = front(settings, attribution) if ahead is None else ahead
    columns = measured_columns(settings, attribution)
    lines = []
    for number, (setting, marked) in enumerate(zip(settings, ahead, strict=True), start=1):
        cells = []
        for key in columns:
            best = marked and key in ("accuracy", "aopc_lerf")
            cells.append(Cell(*printed(key, setting.estimate(key, attribution)), best=best))
        cells.append(Cell(seconds_text(setting.train_seconds)))
        cells.append(Cell(", ".join(map(str, setting.seeds))))
        lines.append(Line("", f"{number}. {setting.title}", tuple(cells)))
    return Table(
        name=f"sweep-{attribution}",
        caption=attribution_name(attribution),
        note=(
            f"Bold: {note}. Brackets: 95 % interval over the images, and over the seeds where "
            "there are several. The best of many settings looks better than it is: measure it once "
            "more on images that it was not chosen by."
        ),
        stub="Setting",
        columns=(*map(head, columns), "Training", "Seeds"),
        lines=tuple(lines),
    )


def sweep_figure(
    settings: Sequence[Setting],
    attribution: str,
    *,
    ahead: Sequence[bool] | None = None,
    note: str = ON_FRONT,
) -> Figure:
    """Draw AOPC LeRF and the Gini index of every setting over its accuracy.

    A setting's number is that of its line in the table; the arguments are those of `sweep_table`,
    with filled markers in the place of bold.
    """
    ahead = front(settings, attribution) if ahead is None else ahead
    with style():
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for ax, key in ((left, "aopc_lerf"), (right, "gini")):
            _panel(ax, settings, ahead, key, attribution)
        figure.suptitle(
            f"{attribution_name(attribution)}. Filled: {note}",
            x=0.01,
            ha="left",
            fontsize=9.5,
        )
    return figure


def _panel(
    ax: Axes, settings: Sequence[Setting], ahead: Sequence[bool], key: str, attribution: str
) -> None:
    lowest = math.inf
    for number, setting in enumerate(settings, start=1):
        across = setting.estimate("accuracy", attribution)
        up = setting.estimate(key, attribution)
        if across is None or up is None or across.value is None or up.value is None:
            continue
        for estimate, horizontal in ((across, True), (up, False)):
            if estimate.low is None or estimate.high is None:
                continue
            ends = [estimate.low, estimate.high]
            at = [up.value] * 2 if horizontal else [across.value] * 2
            ax.plot(*((ends, at) if horizontal else (at, ends)), color=MUTED, linewidth=0.6)
            lowest = min(lowest, up.low if up.low is not None else up.value)
        ax.plot(
            across.value,
            up.value,
            "o",
            color=INK if ahead[number - 1] else "white",
            markeredgecolor=INK,
            markersize=6,
        )
        ax.annotate(
            str(number),
            (across.value, up.value),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=8,
        )
    if key == "aopc_lerf":
        if lowest > 0:
            ax.set_yscale("log")
        else:  # a signed mean may reach 0: linear below a thousandth
            ax.set_yscale("symlog", linthresh=1e-3)
    ax.set_xlabel(METRICS["accuracy"].label)
    ax.set_ylabel(METRICS[key].label)


def _value(estimate: Estimate | None) -> float:
    return math.nan if estimate is None or estimate.value is None else estimate.value


def head(key: str) -> str:
    """Return a metric's short name, unit and arrow."""
    metric = METRICS[key]
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.short or metric.name}{unit} {metric.arrow}"
