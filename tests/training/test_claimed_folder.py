"""A folder that was claimed is given back whole, whenever the work is interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaat import files
from scaat.errors import InputError
from scaat.training import claimed_folder


def test_interrupted_as_its_file_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"

    def press(path: Path) -> None:
        if path == folder:  # after the rename
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "_to_disk", press)
    with pytest.raises(KeyboardInterrupt), claimed_folder(folder, {"seed": 0}):
        pytest.fail("the folder was not claimed yet")
    assert not folder.exists()


def test_what_another_run_wrote_stays(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    with pytest.raises(InputError, match="holds a run already"), claimed_folder(tmp_path, {}):
        pytest.fail("another run's folder was claimed")
    assert (tmp_path / "config.yaml").read_text() == "seed: 1\n"


def test_results_stay(tmp_path: Path) -> None:
    def work() -> None:
        with claimed_folder(tmp_path / "out", {}):
            (tmp_path / "out" / "results.json").write_text("{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"config.yaml", "results.json"}
