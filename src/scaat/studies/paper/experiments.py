"""The experiments by name: which trainings each compares, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scaat.data import DataOptions
from scaat.display.style import FigureSpec
from scaat.display.table import Table
from scaat.report.examples import ordered_samples, saliency_examples
from scaat.report.figures import entropy_distribution, perturbation_curves
from scaat.report.results import Comparison
from scaat.studies.paper.published import ATTRIBUTIONS, FGSM, FIXED, METHODS, Letter
from scaat.studies.paper.sources import Source
from scaat.studies.paper.tables import ablation_table, baselines_table, table_1, table_2, table_3
from scaat.studies.sweeps import Setting
from scaat.studies.trial import Trial, trial_config

Make = Callable[[Source, Sequence[Setting]], Table]
Draw = Callable[[Comparison], Iterator[FigureSpec]]

FAST = "scaat, fast"  # not in the paper


@dataclass(frozen=True)
class Variant:
    """One way of training; ``title`` is what the results call it."""

    title: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    """Options of the training in the place of the source's."""


@dataclass(frozen=True)
class Experiment:
    """One table or figure of the paper."""

    summary: str
    variants: Callable[[Source], Sequence[Variant]]
    """The trainings that it compares, of each source."""
    both_models: bool = False
    """Whether both of a source's models are trained, or the first."""
    letters: tuple[Letter, ...] = ("C", "P", "I")
    attributions: tuple[str, ...] = ("gradient",)
    table: Make | None = None
    figures: tuple[Draw, ...] = ()
    """What is drawn of one seed's comparison."""

    def tables(self, source: Source, settings: Sequence[Setting]) -> list[Table]:
        """Return what is made of one source's settings."""
        return [self.table(source, settings)] if self.table else []

    def trials(self, source: Source, data: DataOptions, seeds: Sequence[int]) -> Iterator[Trial]:
        """Yield the trainings of one source with each seed; ``data`` has the images' place."""
        for seed in seeds:
            for model in source.models[: 2 if self.both_models else 1]:
                for variant in self.variants(source):
                    config = trial_config(
                        variant.method,
                        objective=variant.options,
                        data=data,
                        training=replace(source.training, **{"model": model, **variant.training}),
                        seed=seed,
                    )
                    title = variant.title
                    name = "-".join([source.key, model, *title.replace(",", "").split()])
                    yield Trial(title, f"{name}-seed-{seed}".replace("/", "-"), config)


def _variants(*titles: str) -> Callable[[Source], list[Variant]]:
    def of(source: Source) -> list[Variant]:
        # One step that does not leave the ball: as far as from any start to its other side would
        # always end in a corner.
        step_size = 1.25 * source.scaat["epsilon"]
        changes: dict[str, dict[str, Any]] = {
            FIXED: {"adaptive": False},
            FGSM: {"steps": 1, "step_size": step_size},
            # A weight that rises acts as half of its end, in every fourth step as an eighth; no
            # search takes about twice as much. Measured on CIFAR-10 and digits
            # (frontier and chosen-settings in results/).
            FAST: {"steps": 0, "step_size": step_size, "search_interval": 4, "adaptive": False},
        }
        if "weight" in source.scaat:  # else it sets itself
            changes[FAST].update(weight=16 * source.scaat["weight"], ramp_fraction=1.0)
        # Unclipped, one training in three of the drawn lesions diverged.
        clipped = {"clip_gradient": 2.0} if source.training.clip_gradient is None else {}
        return [
            Variant(
                title,
                "scaat",
                {**source.scaat, **changes.get(title, {})},
                clipped if title == FAST else {},
            )
            if title.startswith("scaat")
            else Variant(title, title)
            for title in titles
        ]

    return of


def ablations(source: Source) -> list[Variant]:
    """Return SCAAT with one choice changed at a time: proportion, divergence or radius."""
    epsilon, initial = source.scaat["epsilon"], source.scaat["initial_proportion"]
    changes: dict[str, Mapping[str, Any]] = {"scaat": {}}
    for proportion in (0.2, 0.35, 0.5, 0.7):
        # Fixed where SCAAT's begin, it is a training of Table 2, whose name spares a second one.
        title = FIXED if proportion == initial else f"scaat, proportion {proportion} fixed"
        changes[title] = {"initial_proportion": proportion, "adaptive": False}
    for divergence in ("jensen-shannon", "kl"):
        changes[f"scaat, divergence {divergence}"] = {"divergence": divergence}
    for factor in (0.25, 0.5, 2):
        changes[f"scaat, radius {factor:g} times"] = {"epsilon": min(factor * epsilon, 1.0)}
    return [
        Variant("standard", "standard"),
        *(Variant(title, "scaat", {**source.scaat, **change}) for title, change in changes.items()),
    ]


def baselines(source: Source) -> list[Variant]:
    """Return every objective; those that search take SCAAT's steps, and else their own defaults."""
    steps = {"steps": source.scaat.get("steps", 4)}
    return [
        *_variants(*METHODS, FAST)(source),
        Variant("pgd-adversarial", "pgd-adversarial", steps),
        Variant(
            "pgd-adversarial, smoothed features",
            "pgd-adversarial",
            steps,
            {"model": f"smoothed:{source.first_stage}:{source.models[0]}"},
        ),
        Variant("trades", "trades", steps),
        Variant("saliency-guided-adversarial", "saliency-guided-adversarial", steps),
        Variant("input-gradient", "input-gradient"),
        Variant("norm-regularised", "norm-regularised"),
    ]


EXPERIMENTS: dict[str, Experiment] = {
    "table1": Experiment(
        "sparsity and faithfulness of three saliency methods after three ways of training",
        _variants(*METHODS),
        attributions=ATTRIBUTIONS,
        table=table_1,
    ),
    "table2": Experiment(
        "performance and AOPC ratio of two networks after four ways of training",
        _variants("standard", "saliency-guided", FIXED, "scaat"),
        both_models=True,
        table=table_2,
    ),
    "table3": Experiment(
        "accuracy, Gini index and training time with PGD-4 and FGSM",
        _variants("standard", "scaat", FGSM),
        table=table_3,
    ),
    "figure2": Experiment(
        "distribution of the maps' entropies (a) and perturbation curves (b)",
        _variants("standard", "scaat"),
        figures=(entropy_distribution, perturbation_curves),
    ),
    "figure3": Experiment(
        "saliency maps (a) and training samples by their proportion (b)",
        _variants("standard", "scaat"),
        figures=(saliency_examples, ordered_samples),
    ),
    "ablations": Experiment(
        "proportion, divergence and radius, each changed alone (the paper's supplement)",
        ablations,
        letters=("C",),
        table=ablation_table,
    ),
    "baselines": Experiment(
        "every training method, under one budget (not in the paper)",
        baselines,
        table=baselines_table,
    ),
}
