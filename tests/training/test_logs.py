from __future__ import annotations

from pathlib import Path

import pytest

from scaat.errors import WriteError
from scaat.training.logs import append_row, cut_rows


def test_rows_after_a_step_are_cut_and_come_again(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "steps.csv"
    rows = [{"step": step, "loss": 0.1 * step} for step in (10, 20, 30)]
    for row in rows:
        append_row(path, row)
    whole = path.read_text()
    assert whole.splitlines()[0] == "step,loss"
    cut_rows(path, 15)
    assert whole.startswith(path.read_text())
    assert path.read_text().splitlines()[-1] == "10,1.0"
    for row in rows[1:]:
        append_row(path, row)
    assert path.read_text() == whole


def test_a_name_that_comes_later_gets_a_column(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    append_row(path, {"step": 10, "loss": 1.0})
    append_row(path, {"step": 20, "divergence": 0.5, "loss": 2.0})
    append_row(path, {"step": 30, "loss": 3.0})
    whole = "step,loss,divergence\n10,1.0,\n20,2.0,0.5\n30,3.0,\n"
    assert path.read_text() == whole
    cut_rows(path, 10)
    append_row(path, {"step": 20, "divergence": 0.5, "loss": 2.0})
    append_row(path, {"step": 30, "loss": 3.0})
    assert path.read_text() == whole


@pytest.mark.parametrize("left", ["step,loss\n10,1.0\n2", "step,loss\n10,1.0\n20,", "step,lo", ""])
def test_a_half_written_row_is_cut(left: str, tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text(left)
    cut_rows(path, 100)
    append_row(path, {"step": 20, "loss": 2.0})
    lines = path.read_text().splitlines()
    assert lines[0] == "step,loss"
    assert lines[-1] == "20,2.0"
    assert len(lines) == (3 if "10,1.0" in left else 2)


def test_nothing_kept_is_nothing_there(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    cut_rows(path, 5)
    append_row(path, {"step": 10, "loss": 1.0})
    cut_rows(path, 5)
    assert not path.exists()


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder would be")
    with pytest.raises(WriteError, match=r"steps\.csv' cannot be written \("):
        append_row(tmp_path / "logs" / "steps.csv", {"step": 1})
