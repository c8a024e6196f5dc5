"""Random numbers that depend on where a run stands, not on how it got there."""

from __future__ import annotations

import numpy as np
import torch


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed torch's generators for one training step of one process.

    Augmentation, dropout and the search's start then depend on the seed, the step and the
    process alone, so a resumed run draws what the uninterrupted one would have drawn.

    Args:
        seed: The run's seed, at least 0.
        step: Number of optimiser steps made so far.
        rank: Number of this process.
    """
    (state,) = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)
    torch.manual_seed(int(state))
