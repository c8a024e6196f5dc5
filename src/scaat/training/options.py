"""Options of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scaat.errors import InputError
from scaat.functional.checks import check_positive

Schedule = Literal["one-cycle", "cosine"]
Precision = Literal["auto", "32", "bf16", "16"]


@dataclass(frozen=True)
class TrainingOptions:
    """How a model is trained; the defaults suit small images and a few epochs.

    Each field's help text is its documentation and the command line's.

    Raises:
        InputError: A value is out of range.
    """

    model: str = field(
        default="small-resnet",
        metadata={
            "help": "Model: small-resnet, resnet18, vgg16, torchvision:NAME, or "
            "package.module:factory of your own (called with num_classes=...)."
        },
    )
    epochs: int = field(default=20, metadata={"help": "Passes over the training set."})
    batch_size: int = field(
        default=128, metadata={"help": "Training images in a batch, of each process."}
    )
    learning_rate: float = field(
        default=0.1, metadata={"help": "Highest learning rate of the schedule."}
    )
    momentum: float = field(
        default=0.9,
        metadata={"help": "Nesterov momentum of SGD; one-cycle moves it by 0.05 each way."},
    )
    weight_decay: float = field(default=5e-4, metadata={"help": "L2 penalty on all weights."})
    schedule: Schedule = field(
        default="one-cycle",
        metadata={
            "help": "Learning rate over the run: one-cycle (up, then down) or cosine (down)."
        },
    )
    precision: Precision = field(
        default="auto",
        metadata={
            "help": "auto takes bf16 where the processor computes it natively, else 32; or 32, "
            "bf16, 16 (with loss scaling)."
        },
    )
    accelerator: str = field(
        default="auto", metadata={"help": "Lightning's accelerator: auto, cpu, gpu, ..."}
    )
    devices: int = field(
        default=1, metadata={"help": "Devices (processes) that share every batch's work."}
    )

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "devices"):
            check_positive(getattr(self, name), name)
        check_positive(self.weight_decay, "weight_decay", zero=True)
        if not 0.0 <= self.momentum < 1.0:
            raise InputError(f"momentum is {self.momentum!r}, expected a number in [0, 1)")
