"""The standard training behind a budget: made, shared, and refused where it differs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scaat.data import DataSplits
from scaat.errors import InputError
from scaat.options import TrainingOptions
from scaat.training import fit
from scaat.training.fitting import read_reference
from scaat.training.logs import read_history

OPTIONS = TrainingOptions(epochs=3, batch_size=8, precision="32", accelerator="cpu")
BUDGET = {"region_size": 4, "steps": 1}


def test_a_reference_is_trained_first_and_gives_the_same_model_as_a_given_one(
    splits: DataSplits, tmp_path: Path
) -> None:
    own = fit(splits, "scaat", BUDGET, OPTIONS, seed=0, folder=tmp_path / "own", quiet=True)
    reference = tmp_path / "own" / "reference"
    summary = json.loads((reference / "training.json").read_text())
    assert summary["method"] == "standard"
    assert own.summary["reference_val_accuracy"] == summary["val_accuracy"]
    shared = fit(
        splits, "scaat", BUDGET, OPTIONS, seed=0, folder=tmp_path / "two", reference=reference
    )
    assert not (tmp_path / "two" / "reference").exists()
    for name, weight in own.model.state_dict().items():
        assert torch.equal(weight, shared.model.state_dict()[name]), name
    curves = read_history(tmp_path / "own")
    assert curves is not None
    assert curves["curves"]["weight"][-1] > 0
    logged = read_history(reference)
    assert logged is not None
    given, _ = read_reference(reference, own.architecture, OPTIONS.epochs)
    validated = logged["curves"]["val_budget_loss"]
    assert given["validation_reference"] == validated
    losses, accuracies = (logged["curves"][f"val_{name}"] for name in ("loss", "accuracy"))
    for joined, plain, accuracy in zip(validated, losses, accuracies, strict=True):
        error = 1.25 * (1 - accuracy) * len(splits.validation) / (len(splits.validation) + 4000)
        assert 0 <= joined <= plain + error + 1e-5  # it is at its best temperature


def test_regions_larger_than_the_images_are_refused_before_a_reference_is_trained(
    splits: DataSplits, tmp_path: Path
) -> None:
    larger = {**BUDGET, "region_size": min(splits.train.image_size) + 1}
    with pytest.raises(InputError, match="at most the shortest side"):
        fit(splits, "scaat", larger, OPTIONS, seed=0, folder=tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_another_length_network_data_or_method_is_refused(
    splits: DataSplits, tmp_path: Path
) -> None:
    reference = tmp_path / "reference"
    fit(splits, "standard", {}, OPTIONS, seed=0, folder=reference, quiet=True)
    other = replace(splits, train=splits.train.subset(range(20)))
    for data, options, message in (
        (splits, replace(OPTIONS, epochs=OPTIONS.epochs + 1), "epochs, expected"),
        (splits, replace(OPTIONS, model="small-vgg"), "has name .* expected 'small-vgg'"),
        (other, OPTIONS, "has mean"),
    ):
        with pytest.raises(InputError, match=message):
            fit(
                data, "scaat", BUDGET, options, seed=0, folder=tmp_path / "out",
                reference=reference, quiet=True,
            )  # fmt: skip
        assert not (tmp_path / "out").exists()
    weighted = tmp_path / "weighted"
    fit(splits, "scaat", {**BUDGET, "weight": 1.0}, OPTIONS, seed=0, folder=weighted, quiet=True)
    assert not (weighted / "reference").exists()
    with pytest.raises(InputError, match="trained by 'scaat', expected a standard training"):
        fit(
            splits, "scaat", BUDGET, OPTIONS, seed=0, folder=tmp_path / "out",
            reference=weighted, quiet=True,
        )  # fmt: skip
