"""What a training will cost, found by making a few of its steps on a copy."""

from __future__ import annotations

import copy
import sys
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from scaat.data import DataSplits, augment, to_float
from scaat.models import Classifier
from scaat.objectives import Objective, build_objective
from scaat.training.launch import plan_launch
from scaat.training.options import TrainingOptions
from scaat.training.precision import (
    LightningPrecision,
    lightning_precision,
    precision_plugin,
)


@dataclass(frozen=True)
class Plan:
    """The cost of a training.

    Attributes:
        passes: Of a step, in forward passes of its batch (standard training: 3), counted from
            floating-point operations.
        step_seconds: Median time of a batch's step, without loading, on this machine now.
        batches: Of each process, in the whole training.
        optimizer_steps: Of the whole training; fewer than batches where gradients accumulate.
        processes: Over all nodes.
        precision: Lightning's name for the arithmetic.
        device: Where the steps were made.
    """

    passes: float
    step_seconds: float
    batches: int
    optimizer_steps: int
    processes: int
    precision: str
    device: str

    @property
    def seconds(self) -> float:
        """Time of all steps, without validation, loading and start-up."""
        return self.step_seconds * self.batches


class FlopCounter(TorchDispatchMode):
    """Add up the floating-point operations of what runs inside, gradients included.

    torch's own counter hooks modules, which the objectives' private passes go around.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and count it."""
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func.overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


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

    Nothing is written, and torch's random generators are left as they were. Communication
    between processes and the gains of ``torch.compile`` are not part of the measure.

    Args:
        splits: The data.
        model: As the training would start it; left as it is.
        method: Name of the objective.
        objective_options: Its keyword arguments.
        options: Of the training.
        steps: Timed steps, after one to warm up.

    Raises:
        InputError: An option is out of range, or the model cannot take the images.
    """
    launch = plan_launch(options.devices, options.nodes, options.strategy)
    processes = launch.devices * launch.nodes
    cuda = options.accelerator != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    precision = lightning_precision(options.precision, options.accelerator)
    samples = -(-len(splits.train) // processes)
    batches = -(-samples // options.batch_size)
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.manual_seed(0)
        step = _Step(splits, model, method, objective_options, options, device, precision)
        forward = step.count_forward()
        with FlopCounter() as counter:
            step()
        seconds = sorted(_timed(step, device) for _ in range(steps))[steps // 2]
    return Plan(
        passes=counter.total / forward,
        step_seconds=seconds,
        batches=batches * options.epochs,
        optimizer_steps=-(-batches // options.accumulate) * options.epochs,
        processes=processes,
        precision=precision,
        device=str(device),
    )


class _Step:
    """A training step on the first images, repeated on a copy of the model."""

    def __init__(
        self,
        splits: DataSplits,
        model: Classifier,
        method: str,
        objective_options: dict[str, Any],
        options: TrainingOptions,
        device: torch.device,
        precision: LightningPrecision,
    ) -> None:
        count = min(options.batch_size, len(splits.train))
        raw, labels, index = splits.train.__getitems__(list(range(count)))
        self.batch = raw.to(device), labels.to(device), index.to(device)
        self.augmentation = splits.augmentation
        self.context = precision_plugin(precision, options.accelerator).forward_context
        self.model = copy.deepcopy(model).to(device).to(memory_format=torch.channels_last).train()
        self.objective: Objective = build_objective(
            method, len(splits.train), objective_options
        ).to(device)
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        # No step may spoil the next one's arithmetic: at a rate of 0 the weights stay.
        self.optimizer = torch.optim.SGD(trained, lr=0.0, momentum=options.momentum)

    def count_forward(self) -> int:
        """Return the operations of one forward pass."""
        with torch.no_grad(), self.context(), FlopCounter() as counter:
            self.model(self._images())
        return int(counter.total)

    def __call__(self) -> None:
        """Make the step."""
        _, labels, index = self.batch
        with self.context():
            loss = self.objective(self.model, self._images(), labels, index).loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def _images(self) -> torch.Tensor:
        images = to_float(augment(self.batch[0], self.augmentation))
        return images.contiguous(memory_format=torch.channels_last)


def _timed(step: _Step, device: torch.device) -> float:
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def peak_memory(device: str) -> int | None:
    """Return the most bytes that this process has held so far, or None where unknown.

    Those of the GPU's tensors on a GPU, of the whole process (data included) on a CPU.
    """
    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, kibibytes elsewhere
