"""A trial is carried out once, from wherever it was cut off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.training.conftest import image_set

from scaat.data import Augmentation, DataOptions, DataSplits
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.report import read_results
from scaat.statistics import pooled_mean
from scaat.studies import Trial, carry_out, settings_of, trial_config
from scaat.studies.trial import failure_of
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
    return carry_out(
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
        carry_out(
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
    both = carry_out(
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
