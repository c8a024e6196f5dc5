"""The paper's figures as we hold them, and what each experiment trains."""

from __future__ import annotations

import dataclasses
import json

import pytest

from scaat.objectives import SCAAT, build_objective
from scaat.studies.paper import EXPERIMENTS, SCALES
from scaat.studies.paper.published import TABLE_1, TABLE_2, TABLE_3, Letter
from scaat.studies.paper.sources import Source

SOURCES = [(scale, source) for scale in SCALES for source in SCALES[scale].sources]


@pytest.mark.parametrize("letter", ["C", "P", "I"])
def test_the_tables_of_the_paper_agree_with_each_other(letter: Letter) -> None:
    # Table 2 repeats Table 1's AOPC ratio of ResNet-18 under vanilla gradients.
    for method in ("standard", "saliency-guided", "scaat"):
        assert (
            TABLE_1[letter, "aopc_rel", "gradient", method]
            == (TABLE_2[letter, method, 0, "aopc_rel"])
        )
    # The product of rel and LeRF is the MoRF decay of a probability.
    for (found, metric, attribution, method), rel in TABLE_1.items():
        if (found, metric) == (letter, "aopc_rel"):
            assert 0.1 < rel * TABLE_1[letter, "aopc_lerf", attribution, method] < 0.6
    # SCAAT has the best value in every comparison, as the paper says.
    for (found, metric, attribution, method), value in TABLE_1.items():
        if found == letter and method != "scaat":
            ours = TABLE_1[letter, metric, attribution, "scaat"]
            assert ours > value if metric == "aopc_rel" else ours < value


def test_table_3_repeats_the_accuracies_of_table_2() -> None:
    assert TABLE_3["standard", "accuracy"] == TABLE_2["I", "standard", 0, "performance"]


@pytest.mark.parametrize(("scale", "source"), SOURCES, ids=lambda v: getattr(v, "key", v))
def test_trials_are_different_and_can_be_built(scale: str, source: object) -> None:
    seen: dict[str, object] = {}
    for experiment in EXPERIMENTS.values():
        trials = list(experiment.trials(source, source.data, (0, 1)))  # type: ignore[arg-type,attr-defined]
        assert len({trial.folder for trial in trials}) == len(trials)
        for trial in trials:
            fields = trial.config["objectives"][trial.method]
            build_objective(trial.method, 10, fields, training_steps=5)
            # Experiments share a training only where it is the same one.
            assert seen.setdefault(trial.folder, trial.config) == trial.config
        assert {trial.config["seed"] for trial in trials} == {0, 1}


@pytest.mark.parametrize(("scale", "source"), SOURCES, ids=lambda v: getattr(v, "key", v))
def test_scaat_fast_costs_four_passes_and_a_constant_weight_rises(
    scale: str, source: object
) -> None:
    (fast,) = (v for v in EXPERIMENTS["baselines"].variants(source) if v.title == "scaat, fast")  # type: ignore[arg-type]
    objective = build_objective("scaat", 10, dict(fast.options), training_steps=99)
    assert isinstance(objective, SCAAT)
    assert (objective.search.steps, objective.search_interval) == (0, 4)
    exact = build_objective("scaat", 10, dict(source.scaat))  # type: ignore[attr-defined]
    assert isinstance(exact, SCAAT)
    assert objective.search.epsilon == exact.search.epsilon
    if exact.weight is None:
        assert (objective.weight, objective.ramp_steps) == (None, 0)
    else:
        assert (objective.weight, objective.ramp_steps) == (16 * exact.weight, 99)


@pytest.mark.parametrize(("scale", "source"), SOURCES, ids=lambda v: getattr(v, "key", v))
def test_baselines_are_trained_alike(scale: str, source: Source) -> None:
    alike = {**dataclasses.asdict(source.training), "model": source.models[0]}
    changes = {
        trial.title: {k: v for k, v in trial.config["training"].items() if v != alike[k]}
        for trial in EXPERIMENTS["baselines"].trials(source, source.data, (0,))
    }
    clipped = source.training.clip_gradient is not None
    assert changes.pop("scaat, fast").keys() == (set() if clipped else {"clip_gradient"})
    assert {title for title, changed in changes.items() if changed} == {
        "pgd-adversarial, smoothed features",
    }
    assert changes["pgd-adversarial, smoothed features"].keys() == {"model"}


def test_an_ablation_changes_one_choice() -> None:
    source = SCALES["small"].sources[0]
    by_title = {v.title: v.options for v in EXPERIMENTS["ablations"].variants(source)}
    base = by_title.pop("scaat")
    del by_title["standard"]
    changed = {
        title: {key for key in options if options[key] != base.get(key)}
        for title, options in by_title.items()
    }
    assert len(changed) == 9
    for title, keys in changed.items():
        if "proportion" in title:  # one of them is the digits' own start
            assert {"adaptive"} <= keys <= {"initial_proportion", "adaptive"}, title
        else:
            assert len(keys) == 1, title


@pytest.mark.parametrize(("scale", "source"), SOURCES, ids=lambda v: getattr(v, "key", v))
def test_trainings_that_two_experiments_share_are_made_once(scale: str, source: Source) -> None:
    by_config: dict[str, set[str]] = {}
    for experiment in EXPERIMENTS.values():
        for trial in experiment.trials(source, source.data, (0, 1)):
            by_config.setdefault(json.dumps(trial.config, sort_keys=True), set()).add(trial.folder)
    assert all(len(folders) == 1 for folders in by_config.values())


def test_the_scales_keep_the_protocol() -> None:
    for _, source in SOURCES:
        for field in ("aopc_steps", "aopc_fraction", "aopc_region_size", "aopc_baseline"):
            default = type(source.evaluation)()
            assert getattr(source.evaluation, field) == getattr(default, field)
        assert dataclasses.replace(source.training, model=source.models[1]).model
