"""A trial is carried out once, from wherever it was cut off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from tests.training.conftest import image_set

from scaat.data import Augmentation, DataOptions, DataSplits
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.report import read_results
from scaat.statistics import pooled_mean
from scaat.studies import Trial, run_trial, settings_of, trial_config
from scaat.studies.trial import BudgetExceeded, KeepBudget, failure_of, reference_of
from scaat.training import TrainingOptions

EVALUATION = EvaluationOptions(
    attributions=("gradient",),
    images=6,
    aopc_steps=2,
    aopc_repeats=1,
    bootstrap_resamples=100,
    examples=1,
)


@pytest.fixture(scope="module")
def splits() -> DataSplits:
    return DataSplits(
        "brightness",
        image_set(24, 0),
        image_set(9, 1),
        image_set(12, 2),
        Augmentation(crop_padding=0, horizontal_flip=False),
        {},
    )


def trial(
    seed: int = 0,
    learning_rate: float = 0.1,
    title: str = "one",
    data: DataOptions | None = None,
) -> Trial:
    training = TrainingOptions(
        model="nets:tiny", epochs=2, batch_size=8, learning_rate=learning_rate, precision="32"
    )
    config = trial_config(
        "scaat",
        objective={"steps": 1, "weight": 2.0},
        data=data or DataOptions(),
        training=training,
        seed=seed,
    )
    return Trial(title, f"{title}-{seed}", config)


def go(chosen: Trial, folder: Path, splits: DataSplits, part: str = "validation") -> list[Path]:
    return run_trial(
        chosen,
        folder,
        splits,
        EVALUATION,
        part=part,  # type: ignore[arg-type]
        quiet=True,
    )


def test_results_are_of_the_images_asked_for(splits: DataSplits, tmp_path: Path) -> None:
    for part, images in (("validation", 9), ("test", 12)):
        done = go(trial(), tmp_path / "a", splits, part)
        assert done == [tmp_path / "a" / part / "gradient"]
        (row,) = read_results(*done).rows
        assert row.method == "one"
        assert row.metrics["accuracy"] is not None
        assert row.metrics["accuracy"].n == images
        assert row.settings["objective"] == {"steps": 1, "weight": 2.0}
        assert row.train_seconds is not None
        assert row.train_seconds > 0


def test_what_is_done_is_kept_and_what_is_not_goes_on(splits: DataSplits, tmp_path: Path) -> None:
    (whole,) = go(trial(), tmp_path / "whole", splits)
    first = (whole / "results.json").read_bytes()
    model = (tmp_path / "whole" / "model.pt").stat().st_mtime_ns
    assert go(trial(), tmp_path / "whole", splits) == [whole]
    assert (whole / "results.json").read_bytes() == first
    assert (tmp_path / "whole" / "model.pt").stat().st_mtime_ns == model

    # As a kill after the first epoch leaves it: an older checkpoint, no model, no results.
    part = tmp_path / "part"
    assert go(trial(), part, splits)
    (part / "model.pt").unlink()
    (part / "training.json").unlink()
    sorted((part / "checkpoints").iterdir())[-1].unlink()
    (part / "validation" / "gradient" / "results.json").unlink()
    (again,) = go(trial(), part, splits)

    def measures(folder: Path) -> object:
        (row,) = json.loads((folder / "results.json").read_text())["rows"]
        return [row[key] for key in ("accuracy", "entropy", "gini", "aopc_lerf", "aopc_morf")]

    assert measures(again) == measures(whole)


def test_results_are_enough_without_the_model(splits: DataSplits, tmp_path: Path) -> None:
    (done,) = go(trial(), tmp_path / "here", splits)
    there = tmp_path / "there" / "validation" / "gradient"
    shutil.copytree(done, there)
    shutil.copy(tmp_path / "here" / "config.yaml", tmp_path / "there")
    assert go(trial(), tmp_path / "there", splits) == [there]
    assert not (tmp_path / "there" / "model.pt").exists()
    with pytest.raises(InputError, match=r"training.learning_rate is 0.1 there and 0.2 now"):
        go(trial(learning_rate=0.2), tmp_path / "there", splits)


def test_what_is_done_needs_its_images_at_no_path(splits: DataSplits, tmp_path: Path) -> None:
    def named(place: str, name: str | None = "brightness") -> Trial:
        return trial(data=DataOptions(place, name=name))

    (done,) = go(named("folder:here"), tmp_path, splits)
    assert go(named("folder:there"), tmp_path, splits) == [done]
    for other, difference in (
        (named("parquet:here"), "data.data is 'folder:here' there and 'parquet:here' now"),
        (named("folder:there", "darkness"), "data.data is 'folder:here' there and"),
        (named("folder:here", "darkness"), "data.name is 'brightness' there and 'darkness' now"),
    ):
        with pytest.raises(InputError, match=difference):
            go(other, tmp_path, splits)
    # What goes on needs the very images that it began with.
    (done / "results.json").unlink()
    with pytest.raises(
        InputError, match=r"data.data is 'folder:here' there and 'folder:there' now"
    ):
        go(named("folder:there"), tmp_path, splits)


def test_data_without_a_name_is_what_lies_at_its_path(splits: DataSplits, tmp_path: Path) -> None:
    assert go(trial(data=DataOptions("folder:here")), tmp_path, splits)
    with pytest.raises(
        InputError, match=r"data.data is 'folder:here' there and 'folder:there' now"
    ):
        go(trial(data=DataOptions("folder:there")), tmp_path, splits)


def test_other_settings_are_refused(splits: DataSplits, tmp_path: Path) -> None:
    assert go(trial(), tmp_path, splits)
    with pytest.raises(InputError, match=r"training.learning_rate is 0.1 there and 0.2 now"):
        go(trial(learning_rate=0.2), tmp_path, splits)
    with pytest.raises(InputError, match="measured with images 6, expected 5"):
        run_trial(
            trial(),
            tmp_path,
            splits,
            EvaluationOptions(**{**vars(EVALUATION), "images": 5}),
            part="validation",
            quiet=True,
        )


def test_a_loss_that_diverges_is_told_once(splits: DataSplits, tmp_path: Path) -> None:
    wild = trial(learning_rate=1e30)
    assert go(wild, tmp_path, splits) == []
    why = failure_of(tmp_path)
    assert why is not None
    assert "the loss became" in why
    assert go(wild, tmp_path, splits) == []  # and trains nothing


def test_saliency_methods_are_measured_as_they_are_asked_for(
    splits: DataSplits, tmp_path: Path
) -> None:
    (first,) = go(trial(), tmp_path, splits)
    stamp = (first / "results.json").stat().st_mtime_ns
    both = run_trial(
        trial(),
        tmp_path,
        splits,
        EvaluationOptions(**{**vars(EVALUATION), "attributions": ("random", "gradient")}),
        part="validation",
        quiet=True,
    )
    assert [folder.name for folder in both] == ["random", "gradient"]
    assert (first / "results.json").stat().st_mtime_ns == stamp
    assert [row.attribution for row in read_results(*both).rows] == ["random", "gradient"]


def test_seeds_are_pooled(splits: DataSplits, tmp_path: Path) -> None:
    done = [go(trial(seed), tmp_path / str(seed), splits)[0] for seed in (3, 1)]
    other = go(trial(title="two"), tmp_path / "two", splits)
    one, two = settings_of(read_results(*done, *other))
    assert (one.title, one.seeds, two.title, two.seeds) == ("one", (1, 3), "two", (0,))
    stored = []
    for folder in done:
        with np.load(folder / "per_image.npz") as arrays:
            stored.append(arrays["0/gini"])
    estimate = one.estimate("gini", "gradient")
    assert estimate is not None
    expected = pooled_mean(stored)
    assert (estimate.value, estimate.low, estimate.high) == (
        expected["value"],
        expected["low"],
        expected["high"],
    )
    assert two.estimate("gini", "gradient") == two.rows[0].metrics["gini"]
    assert one.estimate("gini", "smoothgrad") is None


def test_which_standard_training_a_trial_is_compared_with() -> None:
    def of(method: str, seed: int = 0, epochs: int = 2, **objective: object) -> Trial:
        training = TrainingOptions(epochs=epochs)
        config = trial_config(
            method, objective=objective, data=DataOptions(), training=training, seed=seed
        )
        return Trial(method, f"{method}-{seed}", config)

    assert reference_of(of("scaat", weight=1.0)) is None
    assert reference_of(of("saliency-guided")) is None
    assert reference_of(of("standard"), always=True) is None
    made = reference_of(of("scaat"))
    assert made is not None
    assert made.config == of("standard").config
    for alike in (of("scaat", epsilon=0.1), of("scaat", accuracy_budget=2.0)):
        same = reference_of(alike)
        assert same is not None
        assert same.folder == made.folder
    for other in (of("scaat", seed=1), of("scaat", epochs=3)):
        another = reference_of(other)
        assert another is not None
        assert another.folder != made.folder
    smoothed, plain = of("standard", label_smoothing=0.1), of("standard", label_smoothing=0.0)
    others = [of("standard", seed=1), smoothed, of("scaat"), plain]
    assert reference_of(of("scaat"), others) is plain
    guided = reference_of(of("saliency-guided"), always=True)
    assert guided is not None
    assert guided.folder == made.folder


def test_a_training_behind_its_budget_ends_early(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    accuracies = [0.5, 0.9, 0.9, 0.9, 0.9]
    rows = [f"{epoch},{10 * epoch},{value}" for epoch, value in enumerate(accuracies, start=1)]
    (tmp_path / "logs" / "epochs.csv").write_text("epoch,step,val_accuracy\n" + "\n".join(rows))
    # Of 10,000 images chance is 0.85 points here: twice the root of 2 x 0.9 x 0.1 / 10,000.
    guard = KeepBudget(tmp_path, budget=1.0, images=10_000)

    def validate(epoch: int, accuracy: float) -> None:
        trainer: Any = SimpleNamespace(
            current_epoch=epoch, callback_metrics={"val_accuracy": torch.tensor(accuracy)}
        )
        guard.on_validation_end(trainer, L.LightningModule())

    validate(0, 0.1)
    validate(1, 0.883)  # within chance
    validate(2, 0.87)
    validate(3, 0.9)
    validate(7, 0.1)  # an epoch that the reference does not have
    validate(3, 0.87)
    with pytest.raises(BudgetExceeded, match=r"3\.0 points of .* in epoch 5, more than .* 1 and"):
        validate(4, 0.87)


def test_what_ended_early_is_not_tried_again(splits: DataSplits, tmp_path: Path) -> None:
    standard = replace_method(trial())
    assert run_trial(standard, tmp_path / "r", splits, None, part="test", quiet=True) == []
    log = tmp_path / "r" / "logs" / "epochs.csv"
    head, *rows = log.read_text().splitlines()
    column = head.split(",").index("val_accuracy")
    cells = [row.split(",") for row in rows]
    perfect = [",".join([*row[:column], "1.0", *row[column + 1 :]]) for row in cells]
    log.write_text("\n".join([head, *perfect]) + "\n")
    settings: dict[str, Any] = {"part": "validation", "quiet": True, "reference": tmp_path / "r"}
    bad = trial(learning_rate=1e-9)
    for _ in range(2):
        assert run_trial(bad, tmp_path / "t", splits, EVALUATION, budget=0.0, **settings) == []
        why = failure_of(tmp_path / "t")
        assert why is not None
        assert "behind standard training in epoch 2" in why
    assert not (tmp_path / "t" / "model.pt").exists()


def test_a_reference_that_diverged_is_named(splits: DataSplits, tmp_path: Path) -> None:
    wild = replace_method(trial(learning_rate=1e30))
    assert run_trial(wild, tmp_path / "r", splits, None, part="test", quiet=True) == []
    settings: dict[str, Any] = {"part": "test", "quiet": True, "reference": tmp_path / "r"}
    assert run_trial(trial(), tmp_path / "t", splits, EVALUATION, **settings) == []
    why = failure_of(tmp_path / "t")
    assert why is not None
    assert why.startswith("the standard training to compare with: the loss became")


def replace_method(of: Trial) -> Trial:
    """Return the same trial by standard training."""
    config = {**of.config, "method": "standard", "objectives": {"standard": {}}}
    return Trial("standard", "standard", config)
