"""What a training will cost, from a few of its steps on a copy of the model."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scaat.cost.counting import count_operations
from scaat.cost.measure import BASE
from scaat.cost.step import Batch, TrialStep, idle_optimizer, timed, trial_copy
from scaat.data import DataSplits, augment, to_float
from scaat.models import Classifier
from scaat.objectives import build_objective
from scaat.options.training import TrainingOptions
from scaat.training.batches import count_batches
from scaat.training.devices import autocast_dtype, lightning_precision, plan_launch, uses_cuda


@dataclass(frozen=True)
class Plan:
    """The cost of a training; ``passes`` by floating-point operations (standard training: 3)."""

    passes: float
    step_seconds: float  # of a batch's step on average, without loading, on this machine now
    batches: int  # of each process, in the whole training
    optimizer_steps: int  # of the whole training; fewer where gradients accumulate
    processes: int  # over all nodes
    precision: str  # Lightning's name for the arithmetic
    device: str  # where the steps were made

    @property
    def seconds(self) -> float:
        """Time of all steps, without validation, loading and start-up."""
        return self.step_seconds * self.batches


def plan_training(
    splits: DataSplits,
    model: Classifier,
    method: str,
    objective_options: dict[str, Any],
    options: TrainingOptions,
    *,
    steps: int = 3,
) -> Plan:
    """Make a few steps on a copy of the model and say what the whole training would take.

    Nothing is written, and torch's random generators are left as they were. Communication between
    processes and the gains of ``torch.compile`` are not part of the measure. The median of
    ``steps`` is taken, after one to warm up. Bad options and models raise `InputError`.
    """
    launch = plan_launch(options.devices, options.nodes, options.strategy)
    cuda = uses_cuda(options.accelerator)
    device = torch.device("cuda" if cuda else "cpu")
    precision = lightning_precision(options.precision, options.accelerator)
    batches = count_batches(len(splits.train), options, launch.processes)
    count = min(options.batch_size, len(splits.train))
    raw, labels, index = (
        tensor.to(device) for tensor in splits.train.__getitems__(list(range(count)))
    )

    def batch() -> Batch:
        """Return the first images, cropped and flipped again each time."""
        images = to_float(augment(raw, splits.augmentation))
        return images.contiguous(memory_format=torch.channels_last), labels, index

    def measured(method: str, fields: dict[str, Any]) -> tuple[float, float, float]:
        """Return the passes and the median seconds of a step, and what fraction such steps are."""
        copied = trial_copy(model, device)
        # The trial's length: how much the weight has risen changes no cost.
        objective = build_objective(method, len(splits.train), fields, training_steps=1)
        optimizer = idle_optimizer(copied, options.momentum)
        autocast = autocast_dtype(precision)
        step = TrialStep(copied, objective.to(device), batch, optimizer, autocast)
        forward = count_operations(step.forward, copied).total
        passes = count_operations(step, copied).total / forward
        seconds = sorted(timed(step, 1, device) for _ in range(steps))[steps // 2]
        return passes, seconds, objective.own_fraction

    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.manual_seed(0)
        passes, seconds, own = measured(method, objective_options)
        if own < 1:  # the other steps are standard training's
            other_passes, other_seconds, _ = measured(BASE, {})
            passes = own * passes + (1 - own) * other_passes
            seconds = own * seconds + (1 - own) * other_seconds
    return Plan(
        passes=passes,
        step_seconds=seconds,
        batches=batches,
        optimizer_steps=-(-batches // options.epochs // options.accumulate) * options.epochs,
        processes=launch.processes,
        precision=precision,
        device=str(device),
    )


def peak_memory(device: str) -> int | None:
    """Return the most bytes that this process has held so far, or None where unknown.

    Those of the GPU's tensors on a GPU, of the whole process (data included) on a CPU.
    """
    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    status = Path("/proc/self/status")  # Linux, where getrusage begins with the starter's peak
    if status.exists() and (match := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(match[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, kibibytes elsewhere
