"""Lightning's messages of which a user can do nothing, silenced by what they say."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from lightning.pytorch.callbacks import Callback

_MESSAGES = (
    # `worker_count` knows better.
    ".*does not have many workers.*",
    ".*number of training batches.*",
    # Lightning asks the loader, but it is `Batches` that goes on inside an epoch.
    ".*your dataloader is not resumable.*",
    # On a cluster's interactive node a run without it is meant.
    ".*`srun` command is available.*",
    # Lightning's own use of torch.
    ".*LeafSpec.*",
    # `Means` joins the processes' figures.
    ".*recommended to use `self.log.*sync_dist=True.*",
)
_FROZEN = ".*in eval mode at the start of training.*"


def silence(*, frozen: bool) -> None:
    """Silence the messages in this process, until the filters of ``warnings`` are restored.

    Args:
        frozen: Whether parts of the model are frozen, on purpose in evaluation mode.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (*_MESSAGES, *([_FROZEN] if frozen else [])):
        warnings.filterwarnings("ignore", message=message)


class Silence(Callback):
    """Silences the processes that a training spawns: each gets its callbacks before all else.

    Args:
        frozen: As for `silence`.
    """

    def __init__(self, *, frozen: bool) -> None:
        self.frozen = frozen

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        silence(frozen=self.frozen)
