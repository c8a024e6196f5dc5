"""The trials of a study by setting: their seeds pooled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from scaat.display.labels import Estimate
from scaat.report.compare import Pool
from scaat.report.results import Comparison, Results, Row


@dataclass(frozen=True, eq=False)
class Setting:
    """The trials of one title: one setting, trained with one seed or several.

    Attributes:
        title: What the results call it.
        data: Name of the data.
        model: Name of the model.
        rows: One for each seed and saliency method.
    """

    title: str
    data: str
    model: str
    rows: tuple[Row, ...]

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

        Of one seed the interval is over images alone; of several it resamples seeds and images
        (`scaat.statistics.pooled_mean`), and ratios are of the pooled means.
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
