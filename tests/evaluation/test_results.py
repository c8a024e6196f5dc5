from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaat.errors import WriteError
from scaat.evaluation import environment, write_results


def content(value: float = 0.5) -> dict[str, Any]:
    return {
        "rows": [{"method": "standard", "gini": {"value": value}}, {"method": "scaat"}],
        "per_image": [{"gini": np.arange(3.0)}, {"gini": np.ones(3)}],
        "examples": {"images": np.zeros((2, 3, 4, 4), np.uint8), "labels": np.arange(2)},
        "example_maps": [{"maps": np.ones((2, 4, 4), np.float32)}] * 2,
        "environment": environment(),
        "classes": ["a", "b"],
        "settings": {"seed": 0},
        "trainings": [{"method": "scaat", "epoch": [1], "curves": {"loss": [0.5]}}],
    }


def test_files_hold_what_was_written(tmp_path: Path) -> None:
    written = content()
    path = write_results(tmp_path / "new" / "folder", **written)
    found = json.loads(path.read_text())
    assert found == {
        "schema": 1,
        **{k: written[k] for k in ("environment", "rows", "classes", "settings", "trainings")},
    }
    with np.load(path.with_name("per_image.npz")) as arrays:
        assert sorted(arrays) == ["0/gini", "1/gini"]
        assert arrays["0/gini"].tolist() == [0, 1, 2]
    with np.load(path.with_name("examples.npz")) as arrays:
        assert sorted(arrays) == ["0/maps", "1/maps", "images", "labels"]
        assert arrays["images"].dtype == np.uint8
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "examples.npz",
        "per_image.npz",
        "results.json",
    ]


def test_a_number_that_is_not_finite_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_results(tmp_path / "out", **content(float("nan")))
    assert not (tmp_path / "out").exists()


def test_a_failed_write_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(tmp_path, **content())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def fail(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(WriteError, match="disk full"):
        write_results(tmp_path, **content(0.7))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_rows_and_arrays_must_match(tmp_path: Path) -> None:
    broken = content() | {"per_image": []}
    with pytest.raises(ValueError, match="2 rows, 0 of per-image"):
        write_results(tmp_path / "out", **broken)


def test_environment_says_the_versions_and_not_whose_machine() -> None:
    found = environment()
    assert found["torch"] == torch.__version__
    assert found["python"] == platform.python_version()
    assert found["device"] == "cpu"
    assert found["threads"] == torch.get_num_threads()
    text = json.dumps(found)
    assert platform.node() not in text
    assert str(Path.home()) not in text
    assert {type(v) for v in found.values()} <= {str, int}
    assert getpass.getuser() not in text or len(getpass.getuser()) < 5  # a short name occurs
