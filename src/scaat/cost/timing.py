"""Times of several steps beside each other, and their spread."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

Step = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """The middle half of some values.

    Attributes:
        median: Half of the values are lower.
        low: The first quartile.
        high: The third quartile.
    """

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return median and quartiles, between neighbours by their distance."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return Spread(float(median), float(low), float(high))


def turn_length(step: Step, seconds: float, device: torch.device) -> int:
    """Return how many repetitions of a step take about so long, at least 1.

    Args:
        step: Made a few times before, and once more here.
        seconds: What they should take together.
        device: Where it runs.
    """
    return max(math.ceil(seconds / max(timed(step, 1, device), 1e-6)), 1)


def interleaved(
    steps: Sequence[Step],
    *,
    rounds: int,
    repeats: int,
    device: torch.device,
    progress: Callable[[int], None] = lambda _: None,
) -> list[list[float]]:
    """Time steps by turns: the first, the second, ..., the first again.

    What slows the machine down for a while so falls on all of them, and the ratio of two times
    of one round is of the same while.

    Args:
        steps: What is timed.
        rounds: Turns of each.
        repeats: Of a step in one turn, without waiting for the device in between.
        device: Waited for at the end of each turn.
        progress: Called after each round with the number of those done.

    Returns:
        Seconds of one repetition: a list for each round, a number for each step.
    """
    found = []
    for number in range(rounds):
        found.append([timed(step, repeats, device) / repeats for step in steps])
        progress(number + 1)
    return found


def timed(step: Step, repeats: int, device: torch.device) -> float:
    """Return the seconds of some repetitions, until the device has done them."""
    _wait(device)
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
