"""Options of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scaat.errors import InputError, did_you_mean
from scaat.options.option import check_ranges, described, option

SIZES = ("data", "own")
Schedule = Literal["one-cycle", "cosine"]
Normalisation = Literal["auto", "own", "data", "imagenet", "none"]
Precision = Literal["auto", "32", "bf16", "16"]
Strategy = Literal["auto", "ddp", "ddp_spawn", "fsdp"]
Compile = Literal["none", "inductor", "aot_eager"]


@described
@dataclass(frozen=True)
class TrainingOptions:
    """How a model is trained; the defaults suit small images and a few epochs.

    Args:
        model: Model: small-resnet, small-vgg, fast-cnn, resnet18, vgg16, torchvision:NAME,
            timm:NAME, smoothed:LAYER:MODEL (feature maps smoothed behind a layer), silu:MODEL
            (SiLUs in place of ReLUs), bcos:MODEL (B-cos layers in place of linear ones), or
            package.module:factory of your own (called with num_classes=...).
        normalisation: The model's first layer: own (what the network's library states), data (the
            training images' means and deviations; of 65,536 evenly spaced ones where there are
            more), imagenet, or none for a network that normalises itself; auto takes own where
            there is one, else data.
        input_size: What the network gets, in pixels: data (the images as they are), own (what its
            library states) or a number; other images are resized inside the model, so perturbations
            and maps keep the data's pixels.
        adapter: How a network's output becomes logits: auto (a tensor, .logits, a dictionary's
            logits, or the first of several), mean (of several heads), or package.module:function of
            your own.
        weights: File with pretrained weights to start from (safetensors, or torch.save of a
            state_dict, never executed); a head of other classes starts at random.
        trainable: What trains: all, head (the rest is frozen, batch norm included), or the
            network's submodules by name, separated by commas.
        epochs: Passes over the training set.
        batch_size: Training images in a batch, of each process.
        learning_rate: Highest learning rate of the schedule.
        momentum: Nesterov momentum of SGD; one-cycle moves it by 0.05 each way.
        weight_decay: L2 penalty on all weights.
        clip_gradient: Largest Euclidean norm of the gradient of all weights together; longer ones
            are shortened to it. Without it trainings diverge on small objects. 0: none are
            shortened.
        schedule: Learning rate over the run: one-cycle (up, then down) or cosine (down).
        precision: auto takes bf16 where the processor computes it natively, else 32; or 32, bf16,
            16 (with loss scaling).
        accelerator: Lightning's accelerator: auto, cpu, gpu, ...
        devices: Devices (processes) on each node, each with batches of its own; default: what
            torchrun or SLURM started, else 1.
        nodes: Machines; default: what torchrun or SLURM started, else 1.
        strategy: How processes start where torchrun or SLURM did not start them: ddp_spawn (copies
            of this one) or ddp (the command once more for each); auto is ddp_spawn on one machine.
            fsdp is refused.
        accumulate: Batches whose gradients add up to one step of the optimiser.
        compile: torch.compile of the model: none, inductor (faster after minutes of compiling), or
            aot_eager (traced only, to look for faults).
        workers: Processes that decode images; default: none where they are decoded already, else
            one a core, 8 at most.
        checkpoint_every: Steps of the optimiser from one checkpoint to the next; each epoch's end
            has one besides.
        deterministic: Allow only operations that give the same bits each time on a GPU, too; a CPU
            gives them anyway.

    Raises:
        InputError: A value is out of range.
    """

    model: str = "small-resnet"
    normalisation: Normalisation = "auto"
    input_size: str = "data"
    adapter: str = "auto"
    weights: str | None = None
    trainable: str = "all"
    epochs: int = option(20, least=1)
    batch_size: int = option(128, least=1)
    learning_rate: float = option(0.1, above=0)
    momentum: float = option(0.9, least=0, below=1)
    weight_decay: float = option(5e-4, least=0)
    clip_gradient: float | None = option(1.0, least=0)
    schedule: Schedule = "one-cycle"
    precision: Precision = "auto"
    accelerator: str = "auto"
    devices: int | None = option(None, least=1)
    nodes: int | None = option(None, least=1)
    strategy: Strategy = "auto"
    accumulate: int = option(1, least=1)
    compile: Compile = "none"
    workers: int | None = option(None, least=0)
    checkpoint_every: int = option(1000, least=1)
    deterministic: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)
        side = int(self.input_size) if self.input_size.isdecimal() else 0
        if self.input_size not in SIZES and not 0 < side <= 10_000:
            nearest = did_you_mean(self.input_size, SIZES)
            raise InputError(
                f"input_size is {self.input_size!r}{nearest}, expected data, own or a number of "
                "pixels up to 10,000"
            )
