"""What a person sees while a model trains: a bar on a terminal, a line an epoch in a log."""

from __future__ import annotations

import sys
from collections.abc import Mapping
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

    def on_train_start(self, trainer: L.Trainer, *rest: Any) -> None:
        """Begin an epoch's bar, as a run that goes on inside an epoch has no start of it."""
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
    found = {name: metrics.get(f"{name}_{span}", metrics.get(name)) for name in SHOWN}
    return {name: value for name, value in found.items() if value is not None}
