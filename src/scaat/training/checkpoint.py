"""Checkpoint files (atomic, checksummed, loaded without executing code) and when to write them."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from scaat.errors import InputError, TrainingStopped, WriteError
from scaat.files import write_bytes, write_text
from scaat.training.interruption import StopRequest

FOLDER = "checkpoints"
FORMAT = 1
"""Raised when a checkpoint's content changes so that older versions cannot resume from it."""

_KEY = "scaat_format"
_KEPT = 2  # the newest, and the one before in case that one is damaged


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, each beside the checksum of its bytes.

    Lightning writes to the system's folder for temporary files, from where a move to another
    disk is a copy that can break off half-way.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write ``checkpoint`` to ``path``, then remove what is older than the one before."""
        path = Path(path)
        held = _serialised({**checkpoint, _KEY: FORMAT})
        try:
            # The checksum first: without its file it harms nobody, a file without it is damaged.
            write_text(_checksum(path), f"{hashlib.sha256(held).hexdigest()}  {path.name}\n")
            write_bytes(path, held)
        except WriteError as error:
            whole = ["none", *(other.name for other in checkpoints(path.parents[1]))]
            raise WriteError(f"{error}; the last whole checkpoint is {whole[-1]}") from error
        for old in checkpoints(path.parents[1])[:-_KEPT]:
            old.unlink()
            _checksum(old).unlink(missing_ok=True)


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint after ``step`` optimiser steps of a run belongs."""
    return folder / FOLDER / f"step-{step:09d}.ckpt"


def step_of(path: Path) -> int:
    """Return the optimiser steps after which a checkpoint was written."""
    return int(path.stem.removeprefix("step-"))


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of the run in ``folder``, the oldest first."""
    return sorted((folder / FOLDER).glob("step-*.ckpt"))


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint of the run in ``folder``, or None if there is none.

    Newer damaged ones are named on standard error; if all are damaged, in an `InputError`.
    """
    damaged: list[Path] = []
    for path in reversed(checkpoints(folder)):
        if not _is_whole(path):
            damaged.append(path)
            continue
        for newer in damaged:
            said = (
                f"checkpoint {str(newer)!r} is damaged; resuming from {path.name}, the one before"
            )
            print(said, file=sys.stderr)
        return path
    if damaged:
        names = " and ".join(path.name for path in damaged)
        raise InputError(
            f"checkpoints {names} in {str(damaged[0].parent)!r} are damaged, expected one whole: "
            "train again in another folder"
        )
    return None


def check_format(checkpoint: Mapping[str, Any]) -> None:
    """Raise `InputError` for a format that only a newer version of this package knows."""
    if (version := checkpoint.get(_KEY)) != FORMAT:
        raise InputError(
            f"the checkpoint has format {version!r}, expected {FORMAT}: resume with the version of "
            "scaat that wrote it"
        )


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values with `torch.save`, so that ``path`` is never half-written."""
    write_bytes(path, _serialised(state))


def _serialised(state: dict[str, Any]) -> memoryview:
    content = io.BytesIO()
    torch.save(state, content)
    return content.getbuffer()


def weights_checksum(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of weights' names, types, shapes and values, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name, weight in state.items():
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        content = weight.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(content.numpy().data)
    return digest.hexdigest()


def _checksum(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _is_whole(path: Path) -> bool:
    try:
        expected = _checksum(path).read_text(encoding="utf-8").split()[0]
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == expected
    except (OSError, UnicodeDecodeError, IndexError):
        return False


class Checkpointing(Checkpoint):
    """Writes a checkpoint every so many steps and at each epoch's end.

    It comes last among the callbacks, so that what the others keep is of the same step. A request
    to stop is answered after a step: by a checkpoint, and the end of the training.
    """

    def __init__(self, folder: Path, every: int, stop: StopRequest) -> None:
        self.folder = folder
        self.every = every
        self.stop = stop

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen to signals, in the place of Lightning's own handlers."""
        self.stop.listen()

    def on_train_end(self, *_: Any) -> None:
        """Give the signals back."""
        self.stop.restore()

    def on_exception(self, *_: Any) -> None:
        """Give the signals back."""
        self.stop.restore()

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

    def _save(self, trainer: L.Trainer) -> None:
        trainer.save_checkpoint(checkpoint_path(self.folder, trainer.global_step))

    def _end(self, trainer: L.Trainer, signal_number: int) -> None:
        if signal_number:
            raise TrainingStopped(signal_number, trainer.global_step)
