from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.data.samples import encoded, table

from scaat.data import DataOptions, DataSplits, load_data
from scaat.errors import InputError

hub = pytest.importorskip("datasets")


def load(folder: Path, **options: object) -> DataSplits:
    return load_data(DataOptions(data=f"hf:{folder}", **options), seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["memory", "lazy"])
def test_splits_of_a_saved_folder(way: str, tmp_path: Path) -> None:
    parts = {"train": range(20), "valid": range(20, 24), "test": range(24, 30)}
    hub.DatasetDict({name: table(v) for name, v in parts.items()}).save_to_disk(str(tmp_path))
    splits = load(tmp_path, loading=way)
    assert splits.train.classes == ("even", "odd")
    for part, values in zip(
        (splits.train, splits.validation, splits.test), parts.values(), strict=True
    ):
        assert part.pixels()[:, 0, 0, 0].tolist() == list(values)
        assert part.labels.tolist() == [v % 2 for v in values]


def test_one_table_and_plain_labels(tmp_path: Path) -> None:
    table(range(40), {"label": hub.Value("int32")}).save_to_disk(str(tmp_path))
    splits = load(tmp_path)
    assert splits.train.classes == ("0", "1")
    assert torch.equal(splits.train.labels, splits.train.pixels()[:, 0, 0, 0].long() % 2)


def test_image_files_by_the_library_itself(tmp_path: Path) -> None:
    """``load_dataset`` of a folder of class folders, which needs no network."""
    for number in range(24):
        path = tmp_path / "set" / "train" / ("even", "odd")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(number))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
        splits = load(tmp_path / "set", loading="lazy")
    assert splits.train.classes == ("even", "odd")
    assert torch.equal(splits.train.labels, splits.train.pixels()[:, 0, 0, 0].long() % 2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [1, 2], "label": [0, 1]}, "no column of type Image"),
        ({"picture": None, "klass": [0, 1]}, "no column named label"),
        ({"picture": None, "label": ["a", "b"]}, "expected class ids"),
        ({"picture": None, "label": [0, -1]}, "row 1 of .* has label -1"),
        ({"picture": None, "label": [0, None]}, "row 1 of .* has label None"),
    ],
)
def test_columns_that_do_not_fit(columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    filled = {
        name: value or [{"bytes": encoded(v), "path": None} for v in range(2)]
        for name, value in columns.items()
    }
    found = hub.Dataset.from_dict(filled)
    if "picture" in columns:
        found = found.cast_column("picture", hub.Image())
    found.save_to_disk(str(tmp_path))
    with pytest.raises(InputError, match=message):
        load(tmp_path)


NAMED = hub.List(hub.ClassLabel(names=["red", "green", "blue"]))
NUMBERS = hub.List(hub.Value("int8"))
BITS = [[v % 2, int(v % 3 == 0), int(v % 5 == 0)] for v in range(40)]
IDS = [[label for label in range(3) if bits[label]] for bits in BITS]


def several(folder: Path, kind: Any, rows: list[Any]) -> Path:
    images = [{"bytes": encoded(v), "path": None} for v in range(len(rows))]
    features = hub.Features({"image": hub.Image(), "label": kind})
    made = hub.Dataset.from_dict({"image": images, "label": rows}, features=features)
    made.save_to_disk(str(folder))
    return folder


@pytest.mark.parametrize(
    ("kind", "rows", "names"),
    [(NAMED, IDS, ("red", "green", "blue")), (NUMBERS, BITS, ("0", "1", "2"))],
)
def test_several_labels_an_image(
    kind: Any, rows: list[Any], names: tuple[str, ...], tmp_path: Path
) -> None:
    splits = load(several(tmp_path, kind, rows), train_limit=20)
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [20, 4, 8]
    seen: set[int] = set()
    for part in parts:
        values = part.pixels()[:, 0, 0, 0].tolist()
        assert part.labels.tolist() == [BITS[v] for v in values]
        assert not seen & set(values)
        seen |= set(values)
    counts = dict(zip(names, splits.test.labels.sum(0).int().tolist(), strict=True))
    assert splits.settings["class_counts"]["test"] == counts


def test_a_test_part_alone_with_several_labels(tmp_path: Path) -> None:
    part = hub.load_from_disk(str(several(tmp_path / "all", NAMED, IDS)))
    hub.DatasetDict({"test": part}).save_to_disk(str(tmp_path / "test"))
    options = DataOptions(data=f"hf:{tmp_path / 'test'}")
    splits = load_data(options, seed=0, test_only=True)
    assert splits.test.labels.tolist() == BITS
    assert len(splits.train) == 0


@pytest.mark.parametrize(
    ("kind", "rows", "message"),
    [
        (NAMED, [*IDS[:6], [0, -1]], r"row 6 of .* has labels \[0, -1\]; expected ids from 0 to 2"),
        (NUMBERS, [*BITS[:6], [0, 1]], r"row 6 of .* \[0, 1\]; expected 3 numbers, each 0 or 1"),
        (NUMBERS, [*BITS[:6], [0, 2, 1]], r"row 6 of .* \[0, 2, 1\]; expected 3 numbers"),
        (NUMBERS, [*BITS[:6], None], r"row 6 of .* has labels None; expected 3 numbers"),
        (NUMBERS, [[0], [1]], "lists 1 labels; expected two or more"),
        (hub.List(hub.Value("string")), [["a"], ["b"]], "expected class ids, or lists"),
        (NAMED, [[0], [0, 1], []] * 9, "label 'blue' is absent in every training image of data"),
        (NAMED, [[0, 2], [0, 1]] * 9, "label 'red' is present in every training image of data"),
        (NAMED, [[0], [1], [2]], r"class 'all images' has too few images \(3\)"),
    ],
)
def test_lists_that_do_not_fit(kind: Any, rows: list[Any], message: str, tmp_path: Path) -> None:
    several(tmp_path, kind, rows)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_some_of_several_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several labels an image; expected all"):
        load(several(tmp_path, NAMED, IDS), classes="red,blue")


def test_what_cannot_be_found_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="cannot be loaded"):
        load(tmp_path / "absent")


def test_a_missing_train_split(tmp_path: Path) -> None:
    hub.DatasetDict({"other": table(range(4))}).save_to_disk(str(tmp_path))
    with pytest.raises(InputError, match="has splits other"):
        load(tmp_path)
