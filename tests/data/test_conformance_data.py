"""What holds for every entry of the registry; an entry without a sample here fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.samples import (
    cifar10,
    cifar100,
    imagenet,
    medmnist,
    mnist,
    pcam,
    published,
    shards,
    table,
)

from scaat.data import DataOptions, DataSplits, augment, datasets, load_data
from scaat.data import lesions as lesions_module
from scaat.data.cache import convert
from scaat.data.loading import find_source
from scaat.errors import InputError


def saved(folder: Path) -> str:
    table(range(40)).save_to_disk(str(folder / "saved"))
    return f"hf:{folder / 'saved'}"


def converted(folder: Path) -> str:
    convert(DataOptions(data=shards(folder, [40])), folder / "cache", lambda *now: None)
    return f"cache:{folder / 'cache'}"


@pytest.fixture(params=list(datasets))
def options(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    write_folder: Callable[..., Path],
    write_parquet: Callable[..., Path],
    tmp_path: Path,
) -> DataOptions:
    kind = request.param
    if kind == "lesions":  # fewer than a user gets, for speed
        monkeypatch.setattr(lesions_module, "TRAIN", 40)
        monkeypatch.setattr(lesions_module, "TEST", 10)
    counts = {"cat": 20, "dog": 30, "eel": 20}
    samples = {
        "digits": lambda: "digits",
        "tissue": lambda: "tissue",
        "lesions": lambda: "lesions",
        "folder": lambda: f"folder:{write_folder(counts=counts)}",
        "parquet": lambda: f"parquet:{write_parquet(labels=(0, 1) * 20)}",
        "webdataset": lambda: shards(tmp_path, [20, 20]),
        "hf": lambda: saved(tmp_path),
        "cache": lambda: converted(tmp_path),
        "cifar10": lambda: f"cifar10:{published(monkeypatch, cifar10(tmp_path))}",
        "cifar100": lambda: f"cifar100:{published(monkeypatch, cifar100(tmp_path))}",
        "mnist": lambda: f"mnist:{mnist(tmp_path)}",
        "medmnist": lambda: f"medmnist:{medmnist(tmp_path / 'set.npz', counts=(40, 20, 20))}",
        "pcam": lambda: f"pcam:{pcam(tmp_path, (40, 10, 10))}",
        "imagenet": lambda: f"imagenet:{imagenet(tmp_path)}",
    }
    return DataOptions(data=samples[kind](), image_size=8 if kind == "imagenet" else None)


def test_parts_and_record(options: DataOptions) -> None:
    splits = load_data(options, seed=0)
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    for name, part in parts.items():
        assert part.images.dtype == torch.uint8
        assert part.channels == splits.train.channels
        assert part.image_size == splits.train.image_size
        assert part.classes == splits.train.classes
        assert part.labels.bincount(minlength=part.num_classes).min() > 0
        assert splits.settings["sizes"][name] == len(part)
        assert sum(splits.settings["class_counts"][name].values()) == len(part)
    assert splits.name == options.data
    assert json.loads(json.dumps(splits.settings)) == splits.settings
    assert splits.settings["seed"] == 0
    brought = options.data.startswith(("medmnist", "pcam", "tissue"))
    assert splits.settings["validation_from"] == ("data" if brought else "train")
    first = splits.train.images[:4]
    assert augment(first, splits.augmentation).shape == first.shape


def test_the_seed_decides_the_split_alone(options: DataOptions) -> None:
    def same(a: DataSplits, b: DataSplits) -> bool:
        return torch.equal(a.train.images, b.train.images)

    first, again, other = (load_data(options, seed=seed) for seed in (0, 0, 1))
    assert same(first, again)
    assert torch.equal(first.validation.images, again.validation.images)
    drawn = first.settings["validation_from"] == "train"
    assert same(first, other) != drawn


def test_train_limit_leaves_validation_and_test_alone(options: DataOptions) -> None:
    everything = load_data(options, seed=0)
    limited = load_data(replace(options, train_limit=9), seed=0)
    assert len(limited.train) == 9
    assert torch.equal(limited.validation.images, everything.validation.images)
    assert torch.equal(limited.test.images, everything.test.images)
    kept = {(i.numpy().tobytes(), int(y)) for i, y, _ in everything.train}
    assert {(i.numpy().tobytes(), int(y)) for i, y, _ in limited.train} <= kept
    count = len(everything.train)
    with pytest.raises(InputError, match=f"train_limit is {count + 1}; expected at most {count}"):
        load_data(replace(options, train_limit=count + 1), seed=0)


def test_two_classes_are_a_naive_filter_of_the_items(options: DataOptions) -> None:
    whole = find_source(options)
    filled = sorted(set.intersection(*(set(p.labels.tolist()) for p in whole.parts.values())))
    names = [whole.classes[filled[-1]], whole.classes[filled[0]]]
    chosen = find_source(replace(options, classes=",".join(names)))
    assert list(chosen.classes) == names
    for key, part in chosen.parts.items():
        before = whole.parts[key]
        labels = [whole.classes[label] for label in before.labels.tolist()]
        rows = [row for row, label in enumerate(labels) if label in names]
        found, expected = part.load(torch.arange(len(rows))), before.load(torch.tensor(rows))
        assert torch.equal(found.pixels(), expected.pixels())
        assert [names[label] for label in found.labels.tolist()] == [labels[row] for row in rows]
        assert torch.equal(found.labels, part.labels)


def test_image_size(options: DataOptions) -> None:
    splits = load_data(replace(options, image_size=16, name="small"), seed=0)
    assert splits.name == "small"
    assert splits.settings["image_size_used"] == [16, 16]
    for part in (splits.train, splits.validation, splits.test):
        assert part.image_size == (16, 16)
        assert part.masks is None or part.masks.shape[1:] == (16, 16)


def test_parts_do_not_overlap(write_parquet: Callable[..., Path]) -> None:
    """Row i is grey of value i, so a pixel says which row an image was."""
    options = DataOptions(data=f"parquet:{write_parquet(labels=(0, 1, 1) * 40)}")
    splits = load_data(options, seed=0)
    parts = (splits.train, splits.test, splits.validation)
    rows = [part.images[:, 0, 0, 0].tolist() for part in parts]
    assert [len(part) for part in rows] == [84, 24, 12]  # 0.7, 0.2 and 0.1 of all 120
    assert sorted(chain(*rows)) == list(range(120))
    for part, values in zip(parts, rows, strict=True):
        assert part.labels.tolist() == [int(row % 3 > 0) for row in values]


def test_digits_are_the_originals_enlarged() -> None:
    from scipy.ndimage import map_coordinates
    from sklearn.datasets import load_digits

    everything = datasets["digits"].load("", DataOptions()).train
    images = everything.load(torch.arange(1797)).images
    assert everything.labels.tolist() == load_digits().target.tolist()
    centres = (np.arange(32) + 0.5) / 4 - 0.5  # of the large pixels, on the 8 x 8 grid
    grid = np.meshgrid(centres, centres, indexing="ij")
    for number in range(0, 1797, 100):
        original = load_digits().images[number] / 16 * 255
        expected = map_coordinates(original, grid, order=1, mode="nearest")
        for channel in images[number]:
            np.testing.assert_allclose(channel, expected, atol=0.51)


def test_sizes_of_the_default() -> None:
    splits = load_data(DataOptions(), seed=0)
    assert splits.settings["sizes"] == {"train": 1257, "validation": 180, "test": 360}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "digitz"}, "unknown data set 'digitz' .did you mean 'digits'"),
        ({"data": "folder"}, "data 'folder' needs a path; expected folder:PATH"),
        ({"data": "parquet:"}, "data 'parquet' needs a path"),
        ({"data": "digits:8"}, "data is 'digits:8'; expected 'digits', which takes no argument"),
        ({"group": "tile"}, "group is 'tile', but data 'digits' has no columns"),
        ({"validation_fraction": 0.0}, "validation_fraction is 0.0, expected above 0 and below 1"),
        ({"test_fraction": 1.5}, "test_fraction is 1.5, expected above 0 and below 1"),
        (
            {"test_fraction": 0.5, "validation_fraction": 0.5},
            "test_fraction and validation_fraction add up to 1; expected less than 1",
        ),
        ({"train_limit": 0}, "train_limit is 0, expected 1 or more"),
        ({"image_size": 0}, "image_size is 0, expected 1 or more"),
        ({"crop_padding": -1}, "crop_padding is -1, expected 0 or more"),
    ],
)
def test_bad_options(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_data(DataOptions(**change), seed=0)  # type: ignore[arg-type]


def test_crop_padding_replaces_the_data_s_own() -> None:
    own = load_data(DataOptions("digits"), seed=0)
    assert own.augmentation.crop_padding == 2
    other = load_data(DataOptions("digits", crop_padding=0), seed=0)
    assert other.augmentation == replace(own.augmentation, crop_padding=0)
    assert other.settings["augmentation"]["crop_padding"] == 0


def test_every_option_has_a_help_text() -> None:
    assert all(field.metadata["help"].endswith(".") for field in fields(DataOptions))


@pytest.mark.slow
def test_import_brings_nothing_heavy() -> None:
    code = (
        "import sys, scaat.data; "
        "print([m for m in ('sklearn', 'pyarrow', 'scipy', 'datasets', 'torchvision') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
