"""Options of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scaat.errors import InputError, did_you_mean

SIZES = ("data", "own")
Schedule = Literal["one-cycle", "cosine"]
Normalisation = Literal["auto", "own", "data", "imagenet", "none"]
Precision = Literal["auto", "32", "bf16", "16"]
Strategy = Literal["auto", "ddp", "ddp_spawn", "fsdp"]
Compile = Literal["none", "inductor", "aot_eager"]


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
            "help": "Model: small-resnet, small-vgg, resnet18, vgg16, torchvision:NAME, "
            "timm:NAME, smoothed:LAYER:MODEL (feature maps smoothed behind a layer), or "
            "package.module:factory of your own (called with num_classes=...)."
        },
    )
    normalisation: Normalisation = field(
        default="auto",
        metadata={
            "help": "The model's first layer: own (what the network's library states), data (the "
            "training images' means and deviations; of 65,536 evenly spaced ones where there are "
            "more), imagenet, or none for a network that "
            "normalises itself; auto takes own where there is one, else data."
        },
    )
    input_size: str = field(
        default="data",
        metadata={
            "help": "What the network gets, in pixels: data (the images as they are), own (what "
            "its library states) or a number; other images are resized inside the model, so "
            "perturbations and maps keep the data's pixels."
        },
    )
    adapter: str = field(
        default="auto",
        metadata={
            "help": "How a network's output becomes logits: auto (a tensor, .logits, a "
            "dictionary's logits, or the first of several), mean (of several heads), or "
            "package.module:function of your own."
        },
    )
    weights: str | None = field(
        default=None,
        metadata={
            "help": "File with pretrained weights to start from (safetensors, or torch.save of a "
            "state_dict, never executed); a head of other classes starts at random."
        },
    )
    trainable: str = field(
        default="all",
        metadata={
            "help": "What trains: all, head (the rest is frozen, batch norm included), or the "
            "network's submodules by name, separated by commas."
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
    clip_gradient: float | None = field(
        default=None,
        metadata={
            "help": "Largest Euclidean norm of the gradient of all weights together; longer ones "
            "are shortened to it. Default: none are."
        },
    )
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
    devices: int | None = field(
        default=None,
        metadata={
            "help": "Devices (processes) on each node, each with batches of its own; default: "
            "what torchrun or SLURM started, else 1."
        },
    )
    nodes: int | None = field(
        default=None,
        metadata={"help": "Machines; default: what torchrun or SLURM started, else 1."},
    )
    strategy: Strategy = field(
        default="auto",
        metadata={
            "help": "How processes start where torchrun or SLURM did not start them: ddp_spawn "
            "(copies of this one) or ddp (the command once more for each); auto is ddp_spawn on "
            "one machine. fsdp is refused."
        },
    )
    accumulate: int = field(
        default=1,
        metadata={"help": "Batches whose gradients add up to one step of the optimiser."},
    )
    compile: Compile = field(
        default="none",
        metadata={
            "help": "torch.compile of the model: none, inductor (faster after minutes of "
            "compiling), or aot_eager (traced only, to look for faults)."
        },
    )

    workers: int | None = field(
        default=None,
        metadata={
            "help": "Processes that decode images; default: none where they are decoded already, "
            "else one a core, 8 at most."
        },
    )
    checkpoint_every: int = field(
        default=1000,
        metadata={
            "help": "Steps of the optimiser from one checkpoint to the next; each epoch's end has "
            "one besides."
        },
    )
    deterministic: bool = field(
        default=False,
        metadata={
            "help": "Allow only operations that give the same bits each time on a GPU, too; a CPU "
            "gives them anyway."
        },
    )

    def __post_init__(self) -> None:
        from scaat.functional.checks import check_positive

        for name in (
            "epochs",
            "batch_size",
            "learning_rate",
            "clip_gradient",
            "devices",
            "nodes",
            "accumulate",
            "checkpoint_every",
        ):
            value = getattr(self, name)
            if value is not None:
                check_positive(value, name)
        if self.input_size not in SIZES and not _is_side(self.input_size):
            nearest = did_you_mean(self.input_size, SIZES)
            raise InputError(
                f"input_size is {self.input_size!r}{nearest}, expected data, own or a number of "
                "pixels up to 10,000"
            )
        if self.workers is not None:
            check_positive(self.workers, "workers", zero=True)
        check_positive(self.weight_decay, "weight_decay", zero=True)
        if not 0.0 <= self.momentum < 1.0:
            raise InputError(f"momentum is {self.momentum!r}, expected a number in [0, 1)")


def _is_side(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) <= 10_000
