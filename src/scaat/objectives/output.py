"""What every objective returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ObjectiveOutput(NamedTuple):
    """Result of one objective on one batch."""

    loss: Tensor
    """Scalar to call ``backward`` on."""
    logits: Tensor
    """Logits of the clean batch, shape (N, classes), with their graph."""
    terms: dict[str, Tensor]
    """Named scalars for the log, detached: the loss's parts and what the method tracks."""
