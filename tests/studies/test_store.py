"""A packed study holds all that its trials' folders do, but for the models."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.report.conftest import make_content
from tests.studies.test_trial import go, splits, trial

from scaat.data import DataOptions, DataSplits
from scaat.errors import InputError
from scaat.studies import pack, unpack
from scaat.studies.trial import failure_of

__all__ = ["splits"]


def contents(folder: Path) -> dict[str, Any]:
    """Return what `run_trial` wrote into a folder, by file."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.name in ("results.json", "failure.json"):
            found[name] = json.loads(path.read_text())
        elif path.name == "config.yaml":
            found[name] = yaml.safe_load(path.read_text())
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                found[name] = {k: (v.dtype, v.shape, v.tobytes()) for k, v in arrays.items()}
    return found


def test_all_but_the_models_can_be_restored(splits: DataSplits, tmp_path: Path) -> None:
    splits = replace(splits, settings=asdict(DataOptions()))  # as loaded data has them
    done = [*go(trial(0), tmp_path / "trials" / "one-0", splits)]
    done += go(trial(1), tmp_path / "trials" / "one-1", splits)
    wild = tmp_path / "trials" / "wild-0"
    assert go(trial(learning_rate=1e30, title="wild"), wild, splits) == []
    before = contents(tmp_path / "trials")
    pack(tmp_path)
    packed = [tmp_path / name for name in ("config.yaml", "trials.csv", "per_image.parquet")]
    bytes_before = [path.read_bytes() for path in packed]

    shutil.rmtree(tmp_path / "trials")
    assert unpack(tmp_path) == done
    assert contents(tmp_path / "trials") == before
    assert failure_of(wild) is not None
    pack(tmp_path)
    assert [path.read_bytes() for path in packed] == bytes_before
    assert go(trial(1), tmp_path / "trials" / "one-1", splits) == [done[1]]  # trains nothing
    assert not (tmp_path / "trials" / "one-1" / "model.pt").exists()

    shared = yaml.safe_load(packed[0].read_text())
    assert shared["settings"]["objectives"]["scaat"] == {"steps": 1, "weight": 2.0}
    with packed[1].open(newline="") as file:
        first, second, failed = csv.DictReader(file)
    assert (first["folder"], first["seed"]) == ("one-0/validation/gradient", "0")
    assert (second["method"], second["settings.seed"]) == ("one", "1")
    (row,) = before["one-0/validation/gradient/results.json"]["rows"]
    for part in ("value", "low", "high", "n"):
        assert float(first[f"accuracy.{part}"]) == row["accuracy"][part]
    assert "the loss became" in failed["failure"]
    assert "settings.training.learning_rate" in failed
    assert "settings.training.epochs" not in failed


def test_a_file_of_several_rows(tmp_path: Path) -> None:
    content = make_content()
    folder = tmp_path / "trials" / "comparison"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(content))
    np.savez(folder / "per_image.npz", **{f"{i}/gini": np.full(3, np.nan) for i in (0, 4)})
    before = contents(folder)
    pack(tmp_path)
    (again,) = unpack(tmp_path, tmp_path / "again")
    after = contents(again)
    assert after["per_image.npz"] == before["per_image.npz"]
    for row in after["results.json"]["rows"]:
        # Parts of the settings that a row lacks are added from those of the file.
        row["settings"] = {key: value for key, value in row["settings"].items() if value}
    assert after["results.json"] == {**before["results.json"], "trainings": []}


def test_files_that_do_not_belong_together(splits: DataSplits, tmp_path: Path) -> None:
    assert go(trial(), tmp_path / "trials" / "one-0", splits)
    pack(tmp_path)
    table = tmp_path / "trials.csv"
    table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
    with pytest.raises(InputError, match="has 1 rows, expected 2"):
        unpack(tmp_path)
    (tmp_path / "per_image.parquet").unlink()
    with pytest.raises(InputError, match=r"per_image\.parquet"):
        unpack(tmp_path)
