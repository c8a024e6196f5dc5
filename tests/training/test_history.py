from __future__ import annotations

from pathlib import Path

from scaat.training.logs import read_history


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
