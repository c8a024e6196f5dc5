"""Filters for Lightning warnings that users cannot act on."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from lightning.pytorch.callbacks import Callback

_MESSAGES = (
    # `worker_count` chooses the number of workers.
    ".*does not have many workers.*",
    ".*number of training batches.*",
    # Lightning asks the loader, but `Batches` resumes inside an epoch.
    ".*your dataloader is not resumable.*",
    # On an interactive cluster node, a run without srun is intended.
    ".*`srun` command is available.*",
    # Lightning's own use of torch.
    ".*LeafSpec.*",
    # `Means` joins the processes' figures.
    ".*recommended to use `self.log.*sync_dist=True.*",
)
_FROZEN = ".*in eval mode at the start of training.*"


def silence(*, frozen: bool) -> None:
    """Silence the messages in this process, until the filters of ``warnings`` are restored.

    With ``frozen`` also the one on parts of the model in evaluation mode, which are so on purpose.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (*_MESSAGES, *([_FROZEN] if frozen else [])):
        warnings.filterwarnings("ignore", message=message)


class Silence(Callback):
    """Silences the processes that a training spawns: each gets its callbacks before all else."""

    def __init__(self, *, frozen: bool) -> None:
        self.frozen = frozen

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        silence(frozen=self.frozen)
