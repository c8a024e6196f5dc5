"""Wall-clock time spent on training, without validation and start-up."""

from __future__ import annotations

import time

import lightning as L
from lightning.pytorch.callbacks import Callback


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

    def _start(self) -> None:
        self._seconds, self._since = self.seconds, time.perf_counter()

    def _stop(self) -> None:
        self._seconds, self._since = self.seconds, None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock: a run that goes on inside an epoch has no start of it."""
        self._start()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._start()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock: Lightning validates inside the training epoch."""
        self._stop()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock again."""
        self._start()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock; checkpoints are written after this."""
        self._stop()

    def state_dict(self) -> dict[str, float]:
        """Return the seconds so far, for the checkpoint."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on from a checkpoint's seconds."""
        self._seconds = state_dict["seconds"]
