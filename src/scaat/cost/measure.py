"""What a step of each training method costs: passes, time and memory, beside standard training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from scaat.cost.counting import Operations, count_operations
from scaat.cost.step import (
    Spread,
    TrialStep,
    idle_optimizer,
    interleaved,
    peak_bytes,
    spread,
    trial_copy,
    turn_length,
)
from scaat.errors import InputError
from scaat.functional.checks import check_positive
from scaat.objectives import build_objective
from scaat.passes import raise_recompile_limit

BASE = "standard"
"""The method that all others are compared with."""

_WARM_UP = 2  # steps before the timed ones: the first allocates, or compiles


@dataclass(frozen=True)
class Variant:
    """A training method with some settings.

    Attributes:
        label: What it is called in the results.
        method: Its registered name.
        options: Keyword arguments of the objective; others keep their defaults.
    """

    label: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """What a step of one variant costs.

    Attributes:
        variant: Of which training.
        passes: Its operations in units of one forward pass of the batch; where steps differ
            (``search_interval``), the mean over them, and so for the times.
        pass_ratio: Its operations as a multiple of standard training's.
        seconds: Of a step, over the rounds.
        time_ratio: To standard training's time, round by round.
        images_per_second: At the median time.
        peak_bytes: The most memory held; see `scaat.cost.peak_bytes`.
        memory_ratio: To standard training's.
    """

    variant: Variant
    passes: Operations
    pass_ratio: float
    seconds: Spread
    time_ratio: Spread
    images_per_second: float
    peak_bytes: int
    memory_ratio: float

    @property
    def excess(self) -> float:
        """Relative excess of the time over that of its operations at standard training's speed."""
        return self.time_ratio.median / self.pass_ratio - 1


def measure_costs(
    model: nn.Module,
    variants: Sequence[Variant],
    images: Tensor,
    labels: Tensor,
    *,
    rounds: int = 10,
    turn_seconds: float = 0.1,
    autocast: torch.dtype | None = None,
    compile_backend: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Cost, ...]:
    """Measure a training step of each variant on one batch, beside standard training.

    The steps are whole ones (forward, backward, SGD with momentum) of a copy of the model in
    training mode with channels-last memory; loading and augmentation are not in them. torch's
    random generators are left as they were.

    Args:
        model: Maps images to logits; left as it is.
        variants: What is measured. The first one of the method ``standard`` is what the others are
            compared with; without one, that is put in front.
        images: Floating point in [0, 1], shape (N, ...), on the device to measure.
        labels: Class numbers, int64, shape (N,).
        rounds: Turns of each variant, one round of all after another. Quartiles of 10 tell a
            disturbed measurement.
        turn_seconds: What standard training's turn takes at least; all variants repeat their step
            as often. 0.1 s is far above the clock's resolution.
        autocast: Reduced precision, such as `torch.bfloat16`; None for none.
        compile_backend: ``torch.compile``'s, for the timed steps and for the memory on a GPU;
            passes, and the memory on a CPU, are those of the model as it is written. None does not
            compile.
        progress: Called with what is being done.

    Returns:
        A cost for each variant, in their order.

    Raises:
        InputError: A method, an option or the batch is wrong, two variants have one label, or the
            model has nothing that is counted.
    """
    check_positive(rounds, "rounds")
    check_positive(turn_seconds, "turn_seconds", zero=True)
    if all(variant.method != BASE for variant in variants):
        variants = [Variant(BASE, BASE), *variants]
    labels_of = [variant.label for variant in variants]
    for label in labels_of:
        if labels_of.count(label) > 1:
            raise InputError(f"two variants are called {label!r}; expected different ones")
    device = images.device
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.manual_seed(0)
        if images.dim() == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        batch = images, labels.to(device), torch.arange(len(images), device=device)
        copied = trial_copy(model, device)
        optimizer = idle_optimizer(copied)
        # A training of one step: how much a weight has risen changes no cost.
        built = [
            build_objective(each.method, len(images), dict(each.options), training_steps=1)
            for each in variants
        ]
        steps = [
            TrialStep(copied, objective.to(device), lambda: batch, optimizer, autocast)
            for objective in built
        ]
        operations = []
        for variant, step in zip(variants, steps, strict=True):
            progress(f"counting the passes of {variant.label}")
            operations.append(count_operations(step, copied))
        unit = count_operations(steps[0].forward, copied).forward
        if not unit:
            raise InputError(
                "the model has no convolution, matrix product or attention, whose operations are "
                "counted; expected one"
            )

        def measured_memory() -> list[int]:
            peaks = []
            for variant, step in zip(variants, steps, strict=True):
                progress(f"measuring the memory of {variant.label}")
                peaks.append(peak_bytes(step, device))
            return peaks

        memory = [] if cuda else measured_memory()
        if compile_backend is not None:
            raise_recompile_limit()
            copied.compile(backend=compile_backend)
        for variant, step in zip(variants, steps, strict=True):
            progress(f"warming {variant.label} up")
            for _ in range(_WARM_UP):
                step()
        memory = memory or measured_memory()
        base = next(i for i, variant in enumerate(variants) if variant.method == BASE)
        repeats = turn_length(steps[base], turn_seconds, device)
        times = interleaved(
            steps,
            rounds=rounds,
            repeats=repeats,
            device=device,
            progress=lambda done: progress(f"timing: {done} of {rounds} rounds"),
        )
    fractions = [step.objective.own_fraction for step in steps]
    # Of the steps of a method some may be standard training's: means over both.
    operations = [
        Operations(*map(partial(_mean, own), astuple(each), astuple(operations[base])))
        for each, own in zip(operations, fractions, strict=True)
    ]
    times = [
        [_mean(own, each, turn[base]) for each, own in zip(turn, fractions, strict=True)]
        for turn in times
    ]
    return tuple(
        Cost(
            variant=variant,
            passes=operations[i] / unit,
            pass_ratio=operations[i].total / operations[base].total,
            seconds=(seconds := spread([each[i] for each in times])),
            time_ratio=spread([each[i] / each[base] for each in times]),
            images_per_second=len(images) / seconds.median,
            peak_bytes=memory[i],
            memory_ratio=memory[i] / memory[base],
        )
        for i, variant in enumerate(variants)
    )


def _mean(fraction: float, own: float, standard: float) -> float:
    return fraction * own + (1 - fraction) * standard
