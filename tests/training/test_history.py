from __future__ import annotations

from pathlib import Path

from scaat.training.history import read_history

FIRST = """accuracy_epoch,accuracy_step,epoch,loss_epoch,loss_step,step,val_loss
,0.1,0,,2.5,9,
,,0,,,11,2.0
0.3,,0,2.25,,11,
,,1,,,23,1.75
"""
SECOND = """accuracy_epoch,accuracy_step,epoch,loss_epoch,loss_step,step,val_loss
,,1,,,23,1.5
0.5,,1,inf,,23,
,0.9,2,,0.5,29,
"""


def write(folder: Path, version: int, text: str) -> None:
    path = folder / "logs" / "csv" / f"version_{version}" / "metrics.csv"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_epochs_are_joined_and_a_later_start_counts(tmp_path: Path) -> None:
    write(tmp_path, 2, FIRST)
    write(tmp_path, 10, SECOND)  # after 2, though not by its letters
    assert read_history(tmp_path) == {
        "epoch": [1, 2],
        "curves": {"accuracy": [0.3, 0.5], "loss": [2.25, None], "val_loss": [2.0, 1.5]},
    }


def test_a_folder_without_logs_has_no_history(tmp_path: Path) -> None:
    assert read_history(tmp_path) is None
    write(tmp_path, 0, "epoch,loss_step\n0,1.5\n")
    assert read_history(tmp_path) is None
