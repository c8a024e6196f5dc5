"""Figures of steps and epochs: running means, log files, progress and training time."""

from __future__ import annotations

import csv
import io
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from torch import Tensor, distributed

from scaat.errors import WriteError
from scaat.files import write_text
from scaat.functional.precision import widened


class EpochMeans:
    """Running sums of a step's figures, averaged over the steps that have them, by batch sizes.

    Lightning's own means restart when a run resumes in the middle of an epoch.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._samples: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor], samples: int) -> None:
        """Add one batch's means, scalars on any device, without waiting for it."""
        for name, value in values.items():
            term = widened(value.detach()) * samples
            self._sums[name] = self._sums[name] + term if name in self._sums else term
            self._samples[name] = self._samples.get(name, 0) + samples

    def joined(self) -> dict[str, Tensor]:
        """Return the means over all processes, float32, and restart.

        A figure of earlier steps that no step had since the last call is NaN.
        """
        names = list(self._sums)
        packed = self._packed()
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(packed)
        sums, samples = packed.chunk(2)
        self._sums = dict(zip(names, torch.zeros_like(sums), strict=True))
        self._samples = dict.fromkeys(names, 0)
        return dict(zip(names, (sums / samples).float(), strict=True))

    def state(self) -> dict[str, object]:
        """Return the sums of all processes, a row each; all have to call it."""
        if not self._sums:
            return {"names": [], "sums": None}
        packed = self._packed()
        rows = [packed]
        if distributed.is_available() and distributed.is_initialized():
            rows = [torch.empty_like(packed) for _ in range(distributed.get_world_size())]
            distributed.all_gather(rows, packed)
        return {"names": list(self._sums), "sums": torch.stack(rows).cpu()}

    def load(self, state: Mapping[str, object], rank: int, device: torch.device) -> None:
        """Resume from the sums of a process."""
        names, sums = state["names"], state["sums"]
        assert isinstance(names, list)
        self._sums, self._samples = {}, {}
        if isinstance(sums, Tensor):
            row = sums[rank]
            # An older checkpoint has one number of samples for all.
            samples = row[len(names) :].expand(len(names))
            self._sums = dict(zip(names, row[: len(names)].to(device), strict=True))
            self._samples = dict(zip(names, map(int, samples.tolist()), strict=True))

    def _packed(self) -> Tensor:
        sums = torch.stack(list(self._sums.values()))
        return torch.cat([sums, sums.new_tensor([self._samples[name] for name in self._sums])])


FOLDER = "logs"
STEPS, EPOCHS = "steps.csv", "epochs.csv"
_EVERY = 10  # steps from one row to the next


class RunLog(Callback):
    """Writes every tenth step's and every epoch's figures, here and to Lightning's logger.

    A row is on disk before the checkpoint of its step. When a run resumes from a checkpoint, the
    rows after it are removed and written again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self.figures: dict[str, float] = {}  # the last epoch's

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Remove the rows after the checkpoint that the training resumes from."""
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
            # A mean that is not a number is of a term that no step of the epoch had.
            if not (name.endswith("_step") or (name.endswith("_epoch") and math.isnan(value)))
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
    """Add a row to a CSV file; a name that only later rows have gets a last column, empty before.

    Raises:
        WriteError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(newline="", encoding="utf-8") if path.is_file() else io.StringIO() as old:
            reader = csv.DictReader(old)
            names = list(reader.fieldnames or ())
            new = [name for name in row if name not in names]
            rows = list(reader) if new else []
        if new:
            names += new
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_text(path, text.getvalue())
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, names, lineterminator="\n").writerow(row)
    except OSError as error:
        raise WriteError(f"{str(path)!r} cannot be written ({error.strerror})") from error


def cut_rows(path: Path, step: int) -> None:
    """Keep the whole rows of a CSV file up to a step, and no file without rows."""
    if not path.is_file():
        return
    head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
    kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) <= step]
    if kept:
        write_text(path, "".join([head, *kept]))
    else:
        path.unlink()


def read_history(folder: Path) -> dict[str, Any] | None:
    """Return what was logged at each epoch's end.

    Args:
        folder: of a trained model, as `scaat.training.fit` writes it.

    Returns:
        ``epoch``, the epochs' numbers from 1 on, and ``curves``: by name a list with a number, or
        None where it was not finite or not there, for each epoch. None if the folder has no logs.
    """
    path = folder / FOLDER / EPOCHS
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted(set(rows[0] if rows else ()) - {"step", "epoch"})
    return {
        "epoch": [int(row["epoch"]) for row in rows],
        "curves": {name: [_finite(row[name]) for row in rows] for name in names},
    }


def _finite(text: str) -> float | None:
    value = float(text or "nan")
    return value if math.isfinite(value) else None


SHOWN = ("loss", "accuracy", "proportion", "val_loss", "val_accuracy")


def progress_callback(title: str) -> Callback:
    """Return the kind of progress, under a title, that fits where standard error goes."""
    return TrainingBar(title) if sys.stderr.isatty() else EpochLines(title)


class TrainingBar(TQDMProgressBar):
    """A bar for each epoch with loss, accuracy and mean proportion."""

    def __init__(self, title: str) -> None:
        super().__init__(refresh_rate=5)
        self.title = title

    def on_train_start(self, trainer: L.Trainer, *rest: Any) -> None:
        """Start an epoch's bar: a run that resumes inside an epoch has no epoch start."""
        super().on_train_start(trainer, *rest)
        self.on_train_epoch_start(trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Name the method and the epoch on the bar."""
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(
            f"{self.title} {trainer.current_epoch + 1}/{trainer.max_epochs}"
        )

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        """Return the latest step's figures under their plain names."""
        return _shown(super().get_metrics(trainer, pl_module), "step")


class EpochLines(Callback):
    """A line on standard error after each epoch, for logs."""

    def __init__(self, title: str) -> None:
        self.title = title

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the epoch's mean figures."""
        if not trainer.is_global_zero:
            return
        shown = _shown(trainer.callback_metrics, "epoch")
        figures = "  ".join(f"{name} {float(value):.4f}" for name, value in shown.items())
        epoch = f"{trainer.current_epoch + 1}/{trainer.max_epochs}"
        print(f"{self.title}  epoch {epoch}  {figures}", file=sys.stderr, flush=True)


def _shown(metrics: Mapping[str, Any], span: str) -> dict[str, Any]:
    """Return those of `SHOWN` that were logged, of one ``span``: a step or an epoch."""
    values = {name: metrics.get(f"{name}_{span}", metrics.get(name)) for name in SHOWN}
    return {name: value for name, value in values.items() if value is not None}


class TrainingClock(Callback):
    """Add up the seconds of training epochs; the sum survives a resume.

    The time to write checkpoints inside an epoch is part of it.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """Time in training so far: loading, augmenting and stepping."""
        running = 0.0 if self._since is None else time.perf_counter() - self._since
        return self._seconds + running

    def _start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._seconds, self._since = self.seconds, time.perf_counter()

    def _stop(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._seconds, self._since = self.seconds, None

    # A run that resumes inside an epoch has no epoch start, and Lightning validates inside a
    # training epoch. Checkpoints are written after an epoch's end.
    on_train_start = on_train_epoch_start = on_validation_end = _start
    on_validation_start = on_train_epoch_end = _stop

    def state_dict(self) -> dict[str, float]:
        """Return the seconds so far, for the checkpoint."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Resume from a checkpoint's seconds."""
        self._seconds = state_dict["seconds"]
