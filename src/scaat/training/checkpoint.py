"""Checkpoints that are whole or absent, and load without executing code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from scaat.files import replacing


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
    with replacing(path) as part:
        torch.save(state, part)
