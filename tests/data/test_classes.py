"""Some classes of a data set: what a naive filter gives, however the images are read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.data.conftest import png
from torch import Tensor

from scaat.data import DataOptions, DataSplits, ImageSet, load_data
from scaat.data.cache import convert
from scaat.errors import InputError

Write = Callable[..., Path]
NAMES = ("ant", "bee", "cat", "dog")
LABELS = (2, 0, 3, 1, 0, 2, 0, 3) * 15
PARTS = ("train", "validation", "test")


def load(data: str, seed: int = 0, **options: object) -> DataSplits:
    return load_data(DataOptions(data=data, **options), seed=seed)  # type: ignore[arg-type]


def fields(images: ImageSet) -> dict[str, Any]:
    """Return what a set holds, its groups numbered anew: two data sets may number them apart."""
    groups = images.groups
    return {
        "images": images.pixels(),
        "labels": images.labels,
        "classes": images.classes,
        "boxes": images.boxes,
        "masks": images.masks,
        "groups": None if groups is None else groups.unique(return_inverse=True)[1],
    }


def same(one: DataSplits, two: DataSplits) -> None:
    for part in PARTS:
        found, expected = fields(getattr(one, part)), fields(getattr(two, part))
        for name, value in expected.items():
            if isinstance(value, Tensor):
                assert torch.equal(found[name], value), (part, name)
            else:
                assert found[name] == value, (part, name)


def write_rows(write: Write, path: str, kept: tuple[int, ...], start: int = 0) -> Path:
    """Write the rows of some classes of `LABELS`, as a naive filter would leave them.

    Row i of all is grey of value i, of tile i // 2 // 4 and its class, with a box that tells it.
    """
    rows = [(row, label) for row, label in enumerate(LABELS) if label in kept]
    return write(
        path,
        labels=[kept.index(label) for _, label in rows],
        names=[NAMES[label] for label in kept],
        images=[{"bytes": png(row), "path": None} for row, _ in rows],
        row_group_size=7,
        bbox=[[0, 0, row % 7 + 1, label + 1] for row, label in rows],
        tile=[f"{start + row // 8} of {label}" for row, label in rows],
    )


@pytest.mark.parametrize("kept", [(1, 3), (3, 0), (2, 0, 1)])
@pytest.mark.parametrize("group", [None, "tile"])
@pytest.mark.parametrize("limit", [None, 11])
def test_a_naive_filter_of_the_rows_gives_the_same(
    write_parquet: Write, kept: tuple[int, ...], group: str | None, limit: int | None
) -> None:
    """Before the splits are drawn: fractions, groups and the limit are those of these classes."""
    everything = write_rows(write_parquet, "all.parquet", (0, 1, 2, 3))
    filtered = write_rows(write_parquet, "some.parquet", kept)
    chosen = ",".join(NAMES[label] for label in kept)
    for seed in (0, 1):
        options = {"group": group, "train_limit": limit, "seed": seed}
        found = load(f"parquet:{everything}", classes=chosen, **options)  # type: ignore[arg-type]
        same(found, load(f"parquet:{filtered}", **options))  # type: ignore[arg-type]
    for part in PARTS:
        images: ImageSet = getattr(found, part)
        rows = images.pixels()[:, 0, 0, 0].tolist()
        assert images.classes == tuple(NAMES[label] for label in kept)
        assert [kept[label] for label in images.labels.tolist()] == [LABELS[row] for row in rows]
        assert rows == sorted(rows)
        assert images.boxes is not None
        assert images.boxes[:, 2].tolist() == [row % 7 + 1 for row in rows]
    index = torch.cat([index[None] for _, _, index in found.train])
    assert torch.equal(index, torch.arange(len(found.train)))


def test_parts_that_the_data_bring_are_filtered_alike(write_parquet: Write) -> None:
    for folder, kept in (("all", (0, 1, 2, 3)), ("some", (3, 1))):
        for start, part in enumerate(PARTS):
            write_rows(write_parquet, f"{folder}/{part}.parquet", kept, 100 * start)
    root = write_parquet("x.parquet").parent
    found = load(f"parquet:{root / 'all'}", classes="dog,bee", group="tile")
    same(found, load(f"parquet:{root / 'some'}", group="tile"))
    assert found.settings["sizes"] == dict.fromkeys(PARTS, 45)
    assert found.settings["test_from"] == "data"


@pytest.mark.parametrize("loading", ["memory", "lazy"])
@pytest.mark.parametrize("size", [None, 5])
def test_folders_are_those_of_the_classes(
    write_folder: Write, tmp_path: Path, loading: str, size: int | None
) -> None:
    root = write_folder(counts={"ant": 20, "bee": 12, "cat": 25, "dog": 30})
    for name in ("bee", "dog"):
        shutil.copytree(root / name, tmp_path / "some" / name)
    found = load(f"folder:{root}", classes="bee, dog", loading=loading, image_size=size)
    assert found.train.is_encoded == (loading == "lazy")
    same(found, load(f"folder:{tmp_path / 'some'}", loading="memory", image_size=size))


def test_images_of_other_classes_are_not_looked_at(write_folder: Write) -> None:
    root = write_folder(counts={"ant": 10, "bee": 12, "cat": 12})
    for path in (root / "ant").iterdir():
        path.write_bytes(b"no image")
    for loading in ("memory", "lazy"):
        assert len(load(f"folder:{root}", classes="bee,cat", loading=loading).train.pixels()) == 16


def test_all_in_their_order_are_no_choice(write_parquet: Write) -> None:
    file = write_rows(write_parquet, "all.parquet", (0, 1, 2, 3))
    plain = load(f"parquet:{file}", group="tile")
    named = load(f"parquet:{file}", group="tile", classes=",".join(NAMES))
    same(named, plain)
    assert named.settings == plain.settings


def test_the_order_is_that_of_the_option(write_parquet: Write) -> None:
    for part in PARTS:
        write_rows(write_parquet, f"set/{part}.parquet", (0, 1, 2, 3))
    root = write_parquet("x.parquet").parent / "set"
    one, two = (load(f"parquet:{root}", classes=names) for names in ("cat,ant", "ant,cat"))
    for part in PARTS:
        first, second = getattr(one, part), getattr(two, part)
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.labels, 1 - second.labels)
    assert (one.train.classes, two.train.classes) == (("cat", "ant"), ("ant", "cat"))
    assert one.settings["classes"] == ["cat", "ant"]
    assert one.settings["class_counts"]["test"] == {"cat": 30, "ant": 45}
    assert json.loads(json.dumps(one.settings)) == one.settings


@pytest.mark.parametrize("loading", ["auto", "lazy"])
@pytest.mark.parametrize("when", ["converted", "used"])
def test_a_mapped_cache(write_parquet: Write, tmp_path: Path, loading: str, when: str) -> None:
    """With boxes and groups; the choice is made when the cache is, or when it is used."""
    data = f"parquet:{write_rows(write_parquet, 'all.parquet', (0, 1, 2, 3))}"
    chosen = "dog,ant"
    options = DataOptions(data, group="tile", classes=chosen if when == "converted" else None)
    convert(options, tmp_path / "cache", lambda *now: None)
    later = None if when == "converted" else chosen
    cache = f"cache:{tmp_path / 'cache'}"
    found = load(cache, classes=later, loading=loading)
    assert isinstance(found.train.images, Tensor) == (loading == "auto")
    same(found, load(data, group="tile", classes=chosen))
    assert found.settings["source"]["converted_from"]["classes"] == options.classes


def test_masks_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    from scaat.data import lesions

    monkeypatch.setattr(lesions, "TRAIN", 20)
    monkeypatch.setattr(lesions, "TEST", 10)
    plain = load("lesions")
    first, second = plain.train.classes
    swapped = load("lesions", classes=f"{second},{first}").test
    assert swapped.masks is not None
    assert plain.test.masks is not None
    assert torch.equal(swapped.masks, plain.test.masks)
    assert torch.equal(swapped.labels, 1 - plain.test.labels)


def test_a_name_with_a_comma_stands_in_quotes(write_parquet: Write) -> None:
    labels = (0, 1, 2) * 12
    file = write_parquet(labels=labels, names=("tench, Tinca tinca", "carp", "eel"))
    train = load(f"parquet:{file}", classes='eel, "tench, Tinca tinca"').train
    assert train.classes == ("eel", "tench, Tinca tinca")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("", "classes is ''; expected two names or more"),
        ("bee", "classes is 'bee'; expected two names or more"),
        ("bee,cat,bee", "classes names 'bee' twice; expected each class once"),
        ("bee,,cat", "classes is 'bee,,cat', with an empty name"),
        ("bee\ncat,dog", "expected names on one line"),
        ("bee,cta", r"unknown class of data 'parquet:.*' \(did you mean 'cat'\?\); known: ant, b"),
        ("bee,crane", "classes names 'crane', as 2 classes of data .* are called"),
        ("bee,eel", "classes names 'eel', of which data .* has no training image"),
    ],
)
def test_other_names_are_refused(write_parquet: Write, classes: str, message: str) -> None:
    names = ("ant", "bee", "cat", "crane", "crane", "eel")
    file = write_parquet(labels=(0, 1, 2, 3, 4) * 10, names=names)
    with pytest.raises(InputError, match=message) as caught:
        load(f"parquet:{file}", classes=classes)
    assert "\n" not in str(caught.value)


def test_a_part_without_these_classes_is_refused(write_parquet: Write) -> None:
    file = write_parquet(labels=(0, 1, 2) * 10, names=("ant", "bee", "cat"))
    write_parquet("set/test.parquet", labels=(0,) * 5, names=("ant", "bee", "cat"))
    with pytest.raises(InputError, match=r"the test part of data .* of the classes cat, bee"):
        load(f"parquet:{file.parent}", classes="cat,bee")
