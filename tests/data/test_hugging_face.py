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


def test_what_cannot_be_found_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="cannot be loaded"):
        load(tmp_path / "absent")


def test_a_missing_train_split(tmp_path: Path) -> None:
    hub.DatasetDict({"other": table(range(4))}).save_to_disk(str(tmp_path))
    with pytest.raises(InputError, match="has splits other"):
        load(tmp_path)
