"""Running means, log files and the training curves read back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scaat.errors import WriteError
from scaat.training.logs import EpochMeans, append_row, cut_rows, read_history


def test_means_weigh_by_samples_and_begin_anew() -> None:
    means = EpochMeans()
    means.add({"loss": torch.tensor(1.0), "accuracy": torch.tensor(0.5)}, 8)
    means.add({"loss": torch.tensor(4.0), "accuracy": torch.tensor(1.0)}, 4)
    joined = means.joined()
    assert {name: value.item() for name, value in joined.items()} == {
        "loss": 2.0,
        "accuracy": pytest.approx(2 / 3),
    }
    means.add({"loss": torch.tensor(7.0)}, 1)
    assert means.joined()["loss"] == 7.0


def test_a_figure_is_averaged_over_the_steps_that_have_it() -> None:
    means = EpochMeans()
    means.add({"loss": torch.tensor(1.0)}, 8)
    means.add({"loss": torch.tensor(4.0), "divergence": torch.tensor(0.5)}, 4)
    means.add({"loss": torch.tensor(4.0), "divergence": torch.tensor(2.0)}, 2)
    joined = means.joined()
    assert joined["loss"].item() == pytest.approx(32 / 14)
    assert joined["divergence"].item() == 1.0
    assert list(joined) == ["loss", "divergence"]
    means.add({"loss": torch.tensor(2.0)}, 8)
    joined = means.joined()
    assert joined["loss"].item() == 2.0
    assert joined["divergence"].isnan()  # once known, in no step of this epoch


def test_a_state_keeps_what_an_epoch_lacks() -> None:
    first, second = EpochMeans(), EpochMeans()
    first.add({"loss": torch.tensor(1.0), "divergence": torch.tensor(0.5)}, 8)
    first.joined()
    first.add({"loss": torch.tensor(3.0)}, 4)
    second.load(first.state(), 0, torch.device("cpu"))
    for means in (first, second):
        means.add({"loss": torch.tensor(6.0)}, 8)
        found = means.joined()
        assert found["loss"] == 5.0
        assert found["divergence"].isnan()


def test_an_older_checkpoint_has_one_number_of_samples() -> None:
    means = EpochMeans()
    sums = torch.tensor([[8.0, 4.0, 8.0]], dtype=torch.float64)
    means.load({"names": ["loss", "accuracy"], "sums": sums}, 0, torch.device("cpu"))
    means.add({"loss": torch.tensor(4.0), "accuracy": torch.tensor(1.0)}, 8)
    assert {name: value.item() for name, value in means.joined().items()} == {
        "loss": 2.5,
        "accuracy": 0.75,
    }


@pytest.mark.parametrize("cut", range(4))
def test_a_state_goes_on_bit_by_bit(cut: int) -> None:
    values = torch.rand(3, generator=torch.Generator().manual_seed(0))
    whole, first, second = EpochMeans(), EpochMeans(), EpochMeans()
    for number, value in enumerate(values):
        whole.add({"loss": value}, 5 + number)
        if number < cut:
            first.add({"loss": value}, 5 + number)
    second.load(first.state(), 0, torch.device("cpu"))
    for number, value in enumerate(values):
        if number >= cut:
            second.add({"loss": value}, 5 + number)
    assert torch.equal(whole.joined()["loss"], second.joined()["loss"])


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


def test_curves_are_those_of_the_epochs(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "epochs.csv"
    path.parent.mkdir()
    path.write_text(
        "step,epoch,accuracy,divergence,loss,val_loss\n12,1,0.25,,2.5,2.0\n24,2,0.5,0.1,inf,nan\n"
    )
    assert read_history(tmp_path) == {
        "epoch": [1, 2],
        "curves": {
            "accuracy": [0.25, 0.5],
            "divergence": [None, 0.1],
            "loss": [2.5, None],
            "val_loss": [2.0, None],
        },
    }


def test_a_folder_without_logs_has_no_history(tmp_path: Path) -> None:
    assert read_history(tmp_path) is None
