"""What SCAAT keeps from step to step: each sample's proportion, and how many steps there were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.checks import Bounds, check_positive, check_share
from scaat.functional.proportion import visited_proportion
from scaat.objectives.base import Objective
from scaat.objectives.gather import VisitGatherer


class AdaptiveProportions(Objective):
    """An objective with a proportion q for each training sample (the paper's algorithm 2).

    Args:
        num_samples: Size of the training set.
        initial_proportion: See `SCAAT`, as all others.
        proportion_step: How far one visit moves q.
        min_proportion: The least q.
        max_proportion: The greatest q.
        warmup_steps: Training steps before q adapts.
        adaptive: Adapt q.
        label_smoothing: See `Objective`.
        bounds: See `Objective`.
    """

    proportion: Tensor
    step: Tensor

    def __init__(
        self,
        num_samples: int,
        initial_proportion: float,
        proportion_step: float,
        min_proportion: float,
        max_proportion: float,
        warmup_steps: int,
        adaptive: bool,
        label_smoothing: float,
        bounds: Bounds | None,
    ) -> None:
        super().__init__(label_smoothing, bounds)
        check_positive(num_samples, "num_samples")
        for name, value in (
            ("initial_proportion", initial_proportion),
            ("proportion_step", proportion_step),
            ("min_proportion", min_proportion),
            ("max_proportion", max_proportion),
        ):
            check_share(value, name)
        if adaptive and not min_proportion <= initial_proportion <= max_proportion:
            raise InputError(
                f"initial_proportion is {initial_proportion!r}, expected it between "
                f"min_proportion {min_proportion!r} and max_proportion {max_proportion!r}"
            )
        check_positive(warmup_steps, "warmup_steps", zero=True)
        self.proportion_step = proportion_step
        self.min_proportion = min_proportion
        self.max_proportion = max_proportion
        self.warmup_steps = warmup_steps
        self.adaptive = adaptive
        self._gather_visits = VisitGatherer()
        proportion = torch.full((num_samples,), float(initial_proportion), dtype=torch.float32)
        self.register_buffer("proportion", proportion)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self._known_step: int | None = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move, but don't cast: near 1/2, bfloat16 numbers lie 0.004 apart, and gamma is 0.01."""
        exact = {"proportion": self.proportion, "step": self.step}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in exact.items():
            applied = self.get_buffer(name)
            if applied.dtype != value.dtype:
                setattr(self, name, value.to(applied.device))
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
        if not self.adaptive:
            return
        if counted is not None:
            index, correct = index[counted], correct[counted]
        index, correct = self._gather_visits(index, correct)
        adapted = visited_proportion(
            self.proportion,
            index,
            correct,
            step=self.proportion_step,
            minimum=self.min_proportion,
            maximum=self.max_proportion,
        )
        # A tensor's comparison, not Python's: reading the step would make the device wait.
        warm = self.step > self.warmup_steps
        self.proportion.scatter_(0, index, torch.where(warm, adapted, self.proportion[index]))
