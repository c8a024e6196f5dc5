"""Checkpoints that are whole or absent, and load without executing code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written beside their place and then renamed into it.

    Lightning writes to the system's folder for temporary files, from where a move to another
    disk is a copy that can break off half-way.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write ``checkpoint`` to ``path``."""
        save_atomically(checkpoint, Path(path))


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values with `torch.save`, so that ``path`` is never half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        torch.save(state, beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
