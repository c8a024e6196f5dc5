"""When a training writes checkpoints, and how it stops when it is asked to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from scaat.errors import TrainingStopped
from scaat.training.checkpoint import checkpoint_path
from scaat.training.signals import StopRequest


class Checkpointing(Checkpoint):
    """Writes a checkpoint every so many steps and at each epoch's end.

    It comes last among the callbacks, so that what the others keep is of the same step. A request
    to stop is answered after a step: by a checkpoint, and the end of the training.

    Args:
        folder: Of the run.
        every: Optimiser steps from one checkpoint inside an epoch to the next.
        stop: What signals ask for.
    """

    def __init__(self, folder: Path, every: int, stop: StopRequest) -> None:
        self.folder = folder
        self.every = every
        self.stop = stop

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen to signals, in the place of Lightning's own handlers."""
        self.stop.listen()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write a checkpoint if it is time, or if a signal came."""
        # Gradients that add up over batches are in no checkpoint; an epoch's end has its own.
        accumulating = (batch_idx + 1) % trainer.accumulate_grad_batches != 0
        if accumulating or batch_idx + 1 == trainer.num_training_batches:
            return
        asked = self.stop.agreed(trainer)
        if asked or trainer.global_step % self.every == 0:
            self._save(trainer)
        self._end(trainer, asked)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch's checkpoint."""
        self._save(trainer)
        if trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self._end(trainer, self.stop.agreed(trainer, at_once=True))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Give the signals back."""
        self.stop.restore()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Give the signals back."""
        self.stop.restore()

    def _save(self, trainer: L.Trainer) -> None:
        trainer.save_checkpoint(checkpoint_path(self.folder, trainer.global_step))

    def _end(self, trainer: L.Trainer, signal_number: int) -> None:
        if signal_number:
            raise TrainingStopped(signal_number, trainer.global_step)
