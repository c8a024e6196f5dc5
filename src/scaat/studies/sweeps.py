"""The settings of a study with their seeds pooled, the Pareto front, a table and a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from scaat.display.labels import METRICS, Estimate, attribution_name, seconds_text
from scaat.display.style import INK, MUTED, WIDTH, style
from scaat.display.table import Cell, Line, Table, printed
from scaat.report.compare import Pool
from scaat.report.results import Comparison, Results, Row

COLUMNS = ("accuracy", "entropy", "gini", "aopc_lerf", "aopc_morf", "aopc_rel")
ON_FRONT = "no other setting has both a higher accuracy and a lower AOPC LeRF"
WHERE_MEASURED = ("blocks_rel", "lattice_fraction")

Values = Mapping[str, Sequence[Any]]
Point = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Setting:
    """The trials of one title: one setting, trained with one seed or several."""

    title: str
    data: str
    model: str
    rows: tuple[Row, ...]
    """One for each seed and saliency method."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the training seeds, ascending."""
        return tuple(sorted({row.seed for row in self.rows}))

    @property
    def train_seconds(self) -> float | None:
        """Return the mean time of a training, where known."""
        known = {row.seed: row.train_seconds for row in self.rows if row.train_seconds is not None}
        return sum(known.values()) / len(known) if known else None

    def estimate(self, metric: str, attribution: str) -> Estimate | None:
        """Return the mean over seeds and images with its 95 % interval, or None if not measured.

        The interval is over images and, of several seeds, over seeds
        (`scaat.statistics.pooled_mean`); ratios are of the pooled means.
        """
        pool = self._pools.get(attribution)
        if pool is None:
            return None
        if len(pool.comparisons) == 1:
            return pool.comparisons[0].rows[0].metrics[metric]
        pooled = pool.pooled(metric, attribution, self.title)
        return None if pooled is None else pooled.estimate

    @cached_property
    def _pools(self) -> dict[str, Pool]:
        """The seeds of each saliency method; a pool resamples for a metric once."""
        by_name: dict[str, list[Comparison]] = {}
        for row in self.rows:
            alone = Comparison(row.data, row.model, row.seed, (row,))
            by_name.setdefault(row.attribution, []).append(alone)
        return {name: Pool(tuple(comparisons)) for name, comparisons in by_name.items()}


def settings_of(results: Results) -> list[Setting]:
    """Return the settings in order of appearance."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in results.rows:
        groups.setdefault((row.method, row.data, row.model), []).append(row)
    return [Setting(*key, tuple(rows)) for key, rows in groups.items()]


def combinations(values: Values, *, one_at_a_time: bool = False) -> list[Point]:
    """Return the points of a sweep, by option what differs from the settings it starts from.

    Args:
        values: By option the values to try, each at least one.
        one_at_a_time: Vary each option alone, after a point where nothing is varied.
    """
    if one_at_a_time:
        return [{}, *({name: value} for name, tried in values.items() for value in tried)]
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

    def value(setting: Setting, metric: str) -> float:
        estimate = setting.estimate(metric, attribution)
        return math.nan if estimate is None or estimate.value is None else estimate.value

    return pareto_front([(value(s, "accuracy"), -value(s, "aopc_lerf")) for s in settings])


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

    The settings that are ``ahead``, by default those on the `front`, are in bold; ``note`` says
    what that means.
    """
    ahead = front(settings, attribution) if ahead is None else ahead
    columns = measured_columns(settings, attribution)
    lines = []
    for number, (setting, marked) in enumerate(zip(settings, ahead, strict=True), start=1):
        texts = {key: printed(key, setting.estimate(key, attribution)) for key in columns}
        cells = [
            *(Cell(*texts[key], best=marked and key in ("accuracy", "aopc_lerf")) for key in texts),
            Cell(seconds_text(setting.train_seconds)),
            Cell(", ".join(map(str, setting.seeds))),
        ]
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

    Numbers and arguments are those of `sweep_table`, with filled markers in the place of bold.
    """
    ahead = front(settings, attribution) if ahead is None else ahead
    with style():
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for ax, key in ((left, "aopc_lerf"), (right, "gini")):
            _panel(ax, settings, ahead, key, attribution)
        title = f"{attribution_name(attribution)}. Filled: {note}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5)
    return figure


def _panel(
    ax: Axes, settings: Sequence[Setting], ahead: Sequence[bool], key: str, attribution: str
) -> None:
    lowest, scale = math.inf, METRICS[key].scale
    for number, setting in enumerate(settings, start=1):
        across = setting.estimate("accuracy", attribution)
        up = setting.estimate(key, attribution)
        if across is None or up is None or across.value is None or up.value is None:
            continue
        value = scale * up.value
        lowest = min(lowest, value)
        if across.low is not None and across.high is not None:
            ax.plot([across.low, across.high], [value] * 2, color=MUTED, linewidth=0.6)
        if up.low is not None and up.high is not None:
            ends = [scale * up.low, scale * up.high]
            ax.plot([across.value] * 2, ends, color=MUTED, linewidth=0.6)
            lowest = min(lowest, *ends)
        point, fill = (across.value, value), INK if ahead[number - 1] else "white"
        ax.plot(*point, "o", color=fill, markeredgecolor=INK, markersize=6)
        ax.annotate(str(number), point, xytext=(5, 4), textcoords="offset points", fontsize=8)
    if key == "aopc_lerf":
        if lowest > 0:
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
        else:  # a signed mean may reach 0: linear below a thousandth
            ax.set_yscale("symlog", linthresh=1e-3 * scale)
    ax.set_xlabel(METRICS["accuracy"].label)
    ax.set_ylabel(METRICS[key].label)


def head(key: str) -> str:
    """Return a metric's short name, unit and arrow."""
    metric = METRICS[key]
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.short or metric.name}{unit} {metric.arrow}"
