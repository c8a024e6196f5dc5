"""A search for settings within an accuracy budget, by Optuna."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scaat.errors import InputError
from scaat.studies.sweeps import Setting

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import FrozenTrial, TrialState
except ModuleNotFoundError as error:
    raise InputError(f"tune needs the extra 'tune' (pip install 'scaat[tune]'): {error}") from error

LEAST_LERF = 1e-4
"""AOPC LeRF in 2 x 2 blocks below which a search sees no difference: it is within chance of 0."""

_FAILED = 100.0  # points over the budget of a training that ended early
_LOG = 10  # ratio of a range's ends from which it is searched on a logarithmic scale

Space = Mapping[str, BaseDistribution]


@dataclass(frozen=True)
class Gain:
    """What one setting costs and gives."""

    lost: float
    """Points of validation accuracy behind standard training."""
    accuracy: float
    """In [0, 1]."""
    lerf: float
    """AOPC in 2 x 2 blocks."""
    gini: float

    @property
    def objectives(self) -> tuple[float, float, float]:
        """Return accuracy, log10 of LeRF and Gini, the search's objectives."""
        return self.accuracy, math.log10(max(self.lerf, LEAST_LERF)), self.gini


def gain_of(setting: Setting, standard: Setting, attribution: str) -> Gain:
    """Compare a setting with standard training by its means over seeds and images."""

    def value(of: Setting, metric: str) -> float:
        estimate = of.estimate(metric, attribution)
        assert estimate is not None
        assert estimate.value is not None
        return estimate.value

    accuracy = value(setting, "accuracy")
    lost = 100 * (value(standard, "accuracy") - accuracy)
    return Gain(lost, accuracy, value(setting, "aopc_lerf"), value(setting, "gini"))


def interval(low: float, high: float) -> BaseDistribution:
    """Return a range to search, of whole numbers if both ends are; logarithmic from 1 : 10 on.

    Raises:
        InputError: ``low`` is not below ``high``.
    """
    if not low < high:
        raise InputError(f"a range to search is {low:g} to {high:g}, expected the lower end first")
    logarithmic = low > 0 and high / low >= _LOG
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=logarithmic)
    return FloatDistribution(low, high, log=logarithmic)


def choices(values: Sequence[Any]) -> BaseDistribution:
    """Return values to choose among."""
    return CategoricalDistribution(list(values))


class Search:
    """A study of Optuna in a file: accuracy and Gini index up, log LeRF down, a budget kept.

    The sampler is the tree-structured Parzen estimator (Bergstra et al. 2011; several objectives:
    Ozaki et al. 2022). An interrupted search continues as it would have.

    Args:
        path: Of the file; made if missing.
        space: What to search, by option.
        start: Values to try first, where they are in the space.
        budget: Points of accuracy that may be lost.
        seed: Of the draws.
    """

    def __init__(
        self, path: Path, space: Space, start: Mapping[str, Any], *, budget: float, seed: int
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space, self.budget, self.seed = dict(space), budget, seed
        path.parent.mkdir(parents=True, exist_ok=True)
        self.study = optuna.create_study(
            study_name="scaat",
            storage=JournalStorage(JournalFileBackend(str(path))),
            directions=["maximize", "minimize", "maximize"],
            load_if_exists=True,
        )
        if not self.study.trials:
            inside = {key: start[key] for key in space if _has(space[key], start.get(key))}
            self.study.enqueue_trial(inside)
        for lost in self.study.get_trials(states=(TrialState.RUNNING,)):
            self.study.tell(lost.number, state=TrialState.FAIL)
            self.study.enqueue_trial(lost.params)

    @property
    def finished(self) -> list[FrozenTrial]:
        """Return the settings that were tried to their end, those that ended early among them."""
        return self.study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))

    def ask(self, count: int) -> list[optuna.Trial]:
        """Return so many settings to try; ``params`` holds each one's values by option."""
        (state,) = np.random.SeedSequence([self.seed, len(self.finished)]).generate_state(1)
        self.study.sampler = optuna.samplers.TPESampler(seed=int(state))
        return [self.study.ask(self.space) for _ in range(count)]

    def tell(self, trial: optuna.Trial, gain: Gain | None) -> None:
        """Take what a setting gave; None if it was pruned or diverged."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial.set_constraint("budget", _FAILED if gain is None else gain.lost - self.budget)
            if gain is None:
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                self.study.tell(trial, gain.objectives)

    @property
    def front(self) -> list[FrozenTrial]:
        """Return the trials within the budget that no other such trial beats in all objectives."""
        return [trial for trial in self.study.best_trials if trial.constraints["budget"] <= 0]


def best(front: Sequence[FrozenTrial]) -> FrozenTrial:
    """Return the trial with the best mean rank in log LeRF and Gini, then the best accuracy."""
    values = np.array([trial.values for trial in front])
    ranks = [(values[:, 1:2] > values[:, 1]).sum(1), (values[:, 2:] < values[:, 2]).sum(1)]
    order = np.lexsort((-values[:, 0], ranks[0] + ranks[1]))
    return front[int(order[0])]


def _has(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return value is not None and distribution.low <= value <= distribution.high
