"""Several labels an image from the data to the report: trained, measured and explained."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.cli.inside import scaat
from tests.data.samples import encoded

from scaat.data import DataOptions, load_data
from scaat.training import load_trained

hub = pytest.importorskip("datasets")

LABELS = ("dark", "even", "third")
QUICK = (
    "--model nets:tiny --epochs 1 --batch-size 16 --accelerator cpu --eval-images 4 "
    "--eval-aopc-steps 2 --eval-aopc-repeats 1 --eval-examples 2 --eval-bootstrap-resamples 100 "
    "--eval-attributions gradient"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "set"
    rows = [[k for k, has in enumerate((v < 30, v % 2 == 0, v % 3 == 0)) if has] for v in range(60)]
    columns = {"image": [{"bytes": encoded(v), "path": None} for v in range(60)], "label": rows}
    kinds = {"image": hub.Image(), "label": hub.List(hub.ClassLabel(names=list(LABELS)))}
    hub.Dataset.from_dict(columns, features=hub.Features(kinds)).save_to_disk(str(folder))
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    options = ["--methods", "standard,scaat", *shlex.split(QUICK), "--out", out]
    done = scaat("compare", "--data", f"hf:{data}", *options)
    assert done.status == 0, done.err
    assert "in 3 labels" in done.err
    return out


def rows(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((out / "results.json").read_text())["rows"]
    return found


def test_a_comparison_measures_one_label_and_all(data: Path, run: Path) -> None:
    test = load_data(DataOptions(data=f"hf:{data}"), seed=0).test
    for row in rows(run):
        assert row["data"] == f"hf:{data}: dark"
        trained = load_trained(run / "models" / row["method"])
        assert trained.multilabel
        with torch.no_grad():
            right = (trained.model(test.pixels() / 255) > 0) == (test.labels == 1)
        assert row["accuracy"]["value"] == pytest.approx(float(right[:, 0].double().mean()))
        assert row["exact_match"]["value"] == pytest.approx(float(right.all(1).double().mean()))
        assert 0 <= row["macro_average_precision"]["value"] <= 1
    assert "Macro AP" in (run / "report.html").read_text()
    with np.load(run / "examples.npz") as shown:
        assert shown["1/ordered_maps"].shape == (8, 5, 6)


def test_a_label_that_is_none_is_refused_before_the_training(data: Path, tmp_path: Path) -> None:
    options = [*shlex.split(QUICK), "--eval-label", "odd", "--out", tmp_path / "out"]
    done = scaat("compare", "--data", f"hf:{data}", *options)
    assert (done.status, "unknown label 'odd'" in done.err) == (2, True), done.err
    assert not (tmp_path / "out").exists()


def test_another_label_of_a_trained_model(run: Path, tmp_path: Path) -> None:
    quick = shlex.split(QUICK[QUICK.index("--eval") :])
    model = run / "models" / "scaat"
    done = scaat("evaluate", model, "--eval-label", "third", *quick, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    (row,) = rows(tmp_path / "out")
    assert row["data"].endswith(": third")
    first = next(row for row in rows(run) if row["method"] == "scaat")
    assert row["macro_auc"] == first["macro_auc"]
    refused = scaat("evaluate", model, "--eval-label", "odd", *quick, "--out", tmp_path / "no")
    assert refused.status == 2
    assert "unknown label 'odd'" in refused.err


def test_one_label_is_explained(run: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    Image.new("RGB", (6, 5), (9, 9, 9)).save(image)
    source = ["--run", run / "models" / "standard"]
    done = scaat("explain", image, *source, "--target", "even", "--out", tmp_path / "out", "--json")
    assert done.status == 0, done.err
    (shown,) = done.document["explanations"]
    assert shown["explained"] == "even"
    with torch.no_grad():
        logits = load_trained(source[1]).model(torch.full((1, 3, 5, 6), 9 / 255))
    assert shown["explained_probability"] == pytest.approx(float(logits[0, 1].sigmoid()), abs=1e-5)
    refused = scaat("explain", image, *source, "--out", tmp_path / "no")
    assert refused.status == 2
    assert "has several labels" in refused.err
    assert "--target with one of dark, even, third" in refused.err


def test_what_takes_one_label_an_image_refuses_more(data: Path, run: Path, tmp_path: Path) -> None:
    shared = scaat("share", run, "--method", "scaat", "--out", tmp_path / "shared")
    assert (shared.status, "has several labels" in shared.err) == (2, True), shared.err
    begun = scaat("new-run", f"hf:{data}", "--out", tmp_path / "config.yaml")
    assert (begun.status, "several labels an image" in begun.err) == (2, True), begun.err


def test_data_info_counts_images_and_labels(data: Path) -> None:
    done = scaat("data", "info", f"hf:{data}", "--json")
    assert done.status == 0, done.err
    assert done.document["parts"]["train"] == {"images": 60, "by_class": [30, 30, 20]}


def test_a_converted_cache_keeps_the_labels(data: Path, tmp_path: Path) -> None:
    done = scaat("data", "convert", f"hf:{data}", tmp_path / "cache")
    assert done.status == 0, done.err
    splits = [
        load_data(DataOptions(data=d), seed=0) for d in (f"hf:{data}", f"cache:{tmp_path}/cache")
    ]
    assert torch.equal(splits[0].train.labels, splits[1].train.labels)
