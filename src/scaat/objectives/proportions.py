"""SCAAT's memory of its samples: each one's proportion, the same on all processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, distributed
from torch.nn import functional as F

from scaat.errors import InputError
from scaat.functional.checks import Bounds, check_fraction, check_positive
from scaat.functional.proportion import visited_proportion
from scaat.objectives.base import Objective

_NOBODY = -1  # where a process's part is not full


@dataclass(frozen=True)
class Proportions:
    """How the proportion q of irrelevant features follows each sample (algorithm 2).

    Args:
        initial_proportion: q_0 in [0, 1], the fraction of features that is perturbed at first. The
            default is the fraction of the pixels that perturbation curves replace.
        proportion_step: gamma, how far one visit moves q.
        min_proportion: q_min, the least fraction that q may fall to.
        max_proportion: q_max, the greatest fraction that q may rise to.
        warmup_steps: N^warm-up, training steps before q adapts, counted from the first step of
            the training.
        adaptive: Adapt q; False keeps it at ``initial_proportion``.

    Raises:
        InputError: An option is out of range.
    """

    initial_proportion: float = 0.2
    proportion_step: float = 0.01
    min_proportion: float = 0.1
    max_proportion: float = 0.9
    warmup_steps: int = 0
    adaptive: bool = True

    def __post_init__(self) -> None:
        for name in ("initial_proportion", "proportion_step", "min_proportion", "max_proportion"):
            check_fraction(getattr(self, name), name)
        low, high = self.min_proportion, self.max_proportion
        if self.adaptive and not low <= self.initial_proportion <= high:
            raise InputError(
                f"initial_proportion is {self.initial_proportion!r}, expected it between "
                f"min_proportion {low!r} and max_proportion {high!r}"
            )
        check_positive(self.warmup_steps, "warmup_steps", zero=True)


class AdaptiveProportions(Objective):
    """An objective with a proportion q for each training sample.

    The buffer ``proportion``, float32, shape (num_samples,), follows each sample's index in the
    training set. The buffer ``step``, int64, counts the calls in training mode. Both are saved in
    the ``state_dict``, are equal on all processes after every step, and keep their dtype when a
    module that holds the objective is cast.
    """

    proportion: Tensor
    step: Tensor

    def __init__(
        self,
        num_samples: int,
        proportions: Proportions,
        label_smoothing: float,
        bounds: Bounds | None,
    ) -> None:
        super().__init__(label_smoothing, bounds)
        check_positive(num_samples, "num_samples")
        self.proportions = proportions
        self._gather_visits = VisitGatherer()
        initial = float(proportions.initial_proportion)
        self.register_buffer("proportion", torch.full((num_samples,), initial, dtype=torch.float32))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self._known_step: int | None = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self._known_step = None
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._known_step = None

    def _steps_before(self) -> int:
        """Return the training steps so far.

        A number of Python's is counted beside the buffer, which is read only in the first step
        and after a change from outside: reading it makes an accelerator wait.
        """
        if self._known_step is None:
            self._known_step = int(self.step)
        return self._known_step

    @torch.no_grad()
    def _count_step(self) -> None:
        self.step += 1
        if self._known_step is not None:
            self._known_step += 1

    @torch.no_grad()
    def _adapt(self, index: Tensor, correct: Tensor, counted: Tensor | None) -> None:
        """Move q of the visited samples, after the step was counted."""
        if not self.proportions.adaptive:
            return
        if counted is not None:
            index, correct = index[counted], correct[counted]
        index, correct = self._gather_visits(index, correct)
        adapted = visited_proportion(
            self.proportion,
            index,
            correct,
            step=self.proportions.proportion_step,
            minimum=self.proportions.min_proportion,
            maximum=self.proportions.max_proportion,
        )
        # A tensor's comparison, not Python's: reading the step would make the device wait.
        warm = self.step > self.proportions.warmup_steps
        self.proportion.scatter_(0, index, torch.where(warm, adapted, self.proportion[index]))


class VisitGatherer:
    """Joins all processes' visits of each step by one collective.

    A process sends its number of visits and then the visits, 8 bytes each, in a part of the largest
    batch's length so far. Where the numbers that came say that one had more, all parts grow alike
    and are gathered once more: in the first step, as a rule.
    """

    def __init__(self) -> None:
        self.capacity = 0

    def __call__(self, index: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
        """Return all processes' visits of one step, in the order of their ranks.

        The arguments are this process's positions, int64 (n,), and outcomes, bool (n,); n may
        differ by process. They return themselves where there is one process.
        """
        several = distributed.is_available() and distributed.is_initialized()
        if not several or distributed.get_world_size() == 1:
            return index, correct
        # Both facts in one number, so that they travel together.
        visits = index * 2 + correct
        parts, largest = self._gather(visits)
        if largest > self.capacity:
            self.capacity = largest
            parts, _ = self._gather(visits)
        joined = torch.cat(parts)
        joined = joined[joined != _NOBODY]
        return joined // 2, joined % 2 == 1

    def _gather(self, visits: Tensor) -> tuple[list[Tensor], int]:
        """Return every process's part, and the largest number of visits."""
        sent = visits[: self.capacity]
        sent = F.pad(sent, (0, self.capacity - len(sent)), value=_NOBODY)
        message = torch.cat([sent.new_tensor([len(visits)]), sent])
        gathered = [torch.empty_like(message) for _ in range(distributed.get_world_size())]
        distributed.all_gather(gathered, message)
        largest = int(torch.stack([part[0] for part in gathered]).max())
        return [part[1:] for part in gathered], largest
