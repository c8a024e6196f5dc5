"""What the objectives that search for harmful inputs share: their checks and their passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal, get_args

from torch import nn

from scaat.errors import InputError, did_you_mean
from scaat.functional.checks import Bounds, check_positive
from scaat.functional.saliency import Predict
from scaat.passes import evaluation_mode, search_view

SearchMode = Literal["train", "eval"]


def check_search(
    epsilon: float,
    steps: int,
    step_size: float | None,
    search_mode: str,
    bounds: Bounds | None,
    *,
    zero_steps: bool = False,
) -> None:
    """Raise `InputError` unless these are the settings of a search in a ball."""
    check_positive(epsilon, "epsilon", zero=True)
    if bounds is not None and epsilon > bounds[1] - bounds[0]:
        raise InputError(
            f"epsilon is {epsilon!r}, expected at most the inputs' range of "
            f"{bounds[1] - bounds[0]:g}"
        )
    check_positive(steps, "steps", zero=zero_steps)
    if step_size is not None:
        check_positive(step_size, "step_size")
    check_choice(search_mode, "search_mode", get_args(SearchMode))


def check_choice(value: str, name: str, choices: tuple[str, ...]) -> None:
    """Raise `InputError` unless ``value`` is one of ``choices``; the nearest one is named."""
    if value not in choices:
        raise InputError(
            f"{name} is {value!r}{did_you_mean(value, choices)}, expected one of "
            f"{', '.join(choices)}"
        )


@contextmanager
def search_passes(model: nn.Module, mode: SearchMode) -> Iterator[Predict]:
    """Give a view for searching, and keep the model in that mode meanwhile."""
    with evaluation_mode(model) if mode == "eval" else nullcontext():
        yield search_view(model)
