"""The figures of steps and epochs as CSV files, without gaps or repetitions after a resume."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from scaat.errors import WriteError
from scaat.files import write_text

FOLDER = "logs"
STEPS, EPOCHS = "steps.csv", "epochs.csv"
_EVERY = 10  # steps from one row to the next


class RunLog(Callback):
    """Writes every tenth step's and every epoch's figures, here and to Lightning's logger.

    A row is on disk before the checkpoint of its step is. When a run goes on from a checkpoint,
    the rows after it are cut, and come again.

    Attributes:
        figures: The last epoch's, by name.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self.figures: dict[str, float] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Cut what came after the checkpoint that the training goes on from."""
        if trainer.is_global_zero:
            for name in (STEPS, EPOCHS):
                cut_rows(self.folder / name, trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write a row for the step, as this process has it: joining would take collectives."""
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if trainer.is_global_zero and stepped and trainer.global_step % _EVERY == 0:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            figures = {"learning_rate": rate, **pl_module.figures}  # type: ignore[dict-item]
            self._write(trainer, STEPS, figures, "_step")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write a row for the epoch: training's means and the validation."""
        self.figures = {
            name.removesuffix("_epoch"): float(value)
            for name, value in sorted(trainer.callback_metrics.items())
            if not name.endswith("_step") and not _is_absent(name, value)
        }
        if trainer.is_global_zero:
            self._write(trainer, EPOCHS, self.figures, "_epoch")

    def state_dict(self) -> dict[str, Any]:
        """Return the last epoch's figures, for the checkpoint."""
        return {"figures": self.figures}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the figures of a checkpoint."""
        self.figures = dict(state_dict["figures"])

    def _write(
        self, trainer: L.Trainer, name: str, figures: Mapping[str, Any], suffix: str
    ) -> None:
        values = {key: float(value) for key, value in figures.items()}
        row = {"step": trainer.global_step, "epoch": trainer.current_epoch + 1, **values}
        append_row(self.folder / name, row)
        shown = {
            key if key.startswith("val_") else f"{key}{suffix}": value
            for key, value in values.items()
        }
        for logger in trainer.loggers:
            logger.log_metrics(shown, trainer.global_step)


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row to a CSV file, which begins with the names of all rows.

    A name that only later rows have gets a last column, empty before.

    Raises:
        WriteError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        names = _names(path)
        if new := [name for name in row if name not in names]:
            names += new
            _rename_columns(path, names)
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, names, lineterminator="\n").writerow(row)
    except OSError as error:
        raise WriteError(f"{str(path)!r} cannot be written ({error.strerror})") from error


def _names(path: Path) -> list[str]:
    """Return a CSV file's names, none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def _rename_columns(path: Path, names: list[str]) -> None:
    """Write a CSV file's rows anew under more names, the old ones in front."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            writer.writerows(csv.DictReader(file))
    write_text(path, text.getvalue())


def _is_absent(name: str, value: Any) -> bool:
    """Tell the mean of a term that no step of the epoch had."""
    return name.endswith("_epoch") and math.isnan(value)


def cut_rows(path: Path, step: int) -> None:
    """Keep the whole rows of a CSV file up to a step."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines[1:] if line.endswith("\n") and int(line.split(",")[0]) <= step]
    text = "".join(lines[:1] + kept) if kept else ""
    if text:
        write_text(path, text)
    else:
        path.unlink()
