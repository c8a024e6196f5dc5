"""What a person sees while a model trains: a bar on a terminal, a line an epoch in a log."""

from __future__ import annotations

import sys
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, TQDMProgressBar

SHOWN = ("loss", "accuracy", "proportion", "val_loss", "val_accuracy")


def progress_callback(title: str) -> Callback:
    """Return the kind of progress that fits where standard error goes.

    Args:
        title: What is being trained, shown in front.
    """
    return TrainingBar(title) if sys.stderr.isatty() else EpochLines(title)


class TrainingBar(TQDMProgressBar):
    """A bar for each epoch with loss, accuracy and mean proportion."""

    def __init__(self, title: str) -> None:
        super().__init__(refresh_rate=5)
        self.title = title

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Name the method and the epoch on the bar."""
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(
            f"{self.title} {trainer.current_epoch + 1}/{trainer.max_epochs}"
        )

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        """Return the latest step's figures under their plain names."""
        metrics = super().get_metrics(trainer, pl_module)
        found = {name: metrics.get(f"{name}_step", metrics.get(name)) for name in SHOWN}
        return {name: value for name, value in found.items() if value is not None}


class EpochLines(Callback):
    """A line on standard error after each epoch, for logs."""

    def __init__(self, title: str) -> None:
        self.title = title

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the epoch's mean figures."""
        if not trainer.is_global_zero:
            return
        metrics = trainer.callback_metrics
        found = {name: metrics.get(f"{name}_epoch", metrics.get(name)) for name in SHOWN}
        figures = "  ".join(f"{k} {float(v):.4f}" for k, v in found.items() if v is not None)
        epoch = f"{trainer.current_epoch + 1}/{trainer.max_epochs}"
        print(f"{self.title}  epoch {epoch}  {figures}", file=sys.stderr, flush=True)
