"""A function in two processes that can talk to each other."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import distributed, multiprocessing


def in_two_processes(function: Callable[[int, Path], None], folder: Path) -> None:
    """Call a module's function with rank and folder, in a group that is told of as by torchrun."""
    multiprocessing.spawn(_joined, (function, folder), nprocs=2)


def _joined(rank: int, function: Callable[[int, Path], None], folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    os.environ |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}  # looked for, not used
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=2,
        timeout=datetime.timedelta(seconds=300),
    )
    function(rank, folder)
    distributed.destroy_process_group()
