"""Settings to begin with for somebody's own images, each with its reason.

What was measured is named as measured (``results/README.md``); the rest are rules of thumb, and
say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scaat.functional.regions import suited_region_size
from scaat.models import find_model

MODEL = "small-resnet"
LARGEST = 224  # pixels; larger images are made smaller
BATCH, LEAST_BATCH = 64, 4
RATE = 0.1
STEPS = 1700  # of the run on Tiny ImageNet: 12 epochs of 141
EPOCHS = (8, 40)
_PASSES = 2  # that SCAAT keeps for the gradient: of the clean images and of the perturbed ones
_SHARE = 0.5  # of the free memory


@dataclass(frozen=True)
class Setting:
    """A setting and why it is as it is.

    Attributes:
        name: Where it stands in a configuration, with dots.
        value: As a configuration holds it.
        why: In words.
    """

    name: str
    value: Any
    why: str


def advise(
    image_size: tuple[int, int], train_images: int, *, drawings: bool, free_memory: int | None
) -> list[Setting]:
    """Return settings of training and of SCAAT for a first run.

    Args:
        image_size: Height and width of the images as they will be trained on, in pixels.
        train_images: Images to train on.
        drawings: Whether the images are grey with little between black and white.
        free_memory: Of the device that trains, in bytes; None where unknown.
    """
    batch, why_batch = _batch_size(image_size, train_images, free_memory)
    epochs, why_epochs = _epochs(train_images, batch)
    rate = RATE * batch / BATCH
    training = [
        Setting(
            "training.model",
            MODEL,
            "The network of all measured runs; trains without a GPU. Others: resnet18, vgg16, "
            "torchvision:NAME, timm:NAME.",
        ),
        Setting("training.epochs", epochs, why_epochs),
        Setting("training.batch_size", batch, why_batch),
        Setting(
            "training.learning_rate",
            rate,
            "The rate of the measured runs with batches of 64."
            if batch == BATCH
            else "0.1 with batches of 64 was measured; scaled with the batch (Goyal et al. 2017), "
            "a rule of thumb.",
        ),
    ]
    return [*training, *_scaat(image_size, drawings)]


def activation_bytes(image_size: tuple[int, int]) -> int:
    """Return what one image's forward pass through the network makes, in bytes of float32.

    Counted from the network itself, layer by layer, without computing anything.

    Args:
        image_size: Height and width in pixels.
    """
    total = 0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        total += output.numel() * 4

    with torch.device("meta"):
        network = find_model(MODEL).build(2, image_size).eval()
        for module in network.modules():
            if not list(module.children()):
                module.register_forward_hook(count)
        network(torch.empty(1, 3, *image_size))
    return total


def region_size(image_size: tuple[int, int]) -> tuple[int, str]:
    """Return the side of SCAAT's regions in pixels, its default, and why.

    Args:
        image_size: Height and width of the images, in pixels.
    """
    size = suited_region_size(*image_size)
    side = min(image_size)
    if side == 32:
        return size, "Measured as better than 1 and 8 for images of 32 pixels."
    if 32 < side <= 64:
        return size, (
            "4 was measured as best of 1, 4 and 8 at 32 pixels and used at 64; other sizes were "
            "not tried."
        )
    share = "An eighth of the side as at 32" if side < 32 else "A sixteenth of the side as at 64"
    return size, (
        f"{share} pixels; a rule of thumb, not measured: 4 was best of 1, 4 and 8 at 32 pixels, "
        "and used at 64."
    )


def _batch_size(
    image_size: tuple[int, int], train_images: int, free_memory: int | None
) -> tuple[int, str]:
    needed = activation_bytes(image_size) * _PASSES
    fits = None if free_memory is None else free_memory * _SHARE / needed
    batch = BATCH
    while batch > LEAST_BATCH and (batch * 8 > train_images or (fits is not None and batch > fits)):
        batch //= 2
    estimate = f"about {batch * needed / 2**30:.1f} GiB of memory in a step"
    if batch == BATCH:
        return batch, f"As in the measured runs; {estimate}."
    if batch * 2 * 8 > train_images:
        return batch, f"64 was measured; smaller here for eight steps an epoch or more; {estimate}."
    return batch, f"64 was measured; smaller here to fit half of the free memory; {estimate}."


def _epochs(train_images: int, batch: int) -> tuple[int, str]:
    steps = -(-train_images // batch)
    epochs = min(max(round(STEPS / steps), EPOCHS[0]), EPOCHS[1])
    return epochs, (
        f"{epochs * steps:,} steps. Runs of 240 (digits) to 2,500 steps (CIFAR-10) were measured; "
        "about 1,700 in 8 to 40 epochs is a rule of thumb. Longer was not simply better for SCAAT."
    )


def _scaat(image_size: tuple[int, int], drawings: bool) -> list[Setting]:
    side, why_side = region_size(image_size)
    region = Setting("objectives.scaat.region_size", side, why_side)
    if drawings:
        return [
            Setting(
                "objectives.scaat.epsilon",
                "0.5",
                "Grey images with little between black and white, as digits are: 0.5 was chosen "
                "there, on validation images, among 8/255, 16/255, 32/255 and 0.5.",
            ),
            Setting(
                "objectives.scaat.steps",
                4,
                "The paper's default, and that of the run on digits; 1 takes half the time.",
            ),
            Setting(
                "objectives.scaat.initial_proportion",
                0.5,
                "As in the run on digits; the proportion then adapts image by image.",
            ),
            Setting(
                "objectives.scaat.weight",
                1.0,
                "As in the run on digits; the default of 5 was chosen on CIFAR-10.",
            ),
            region,
        ]
    return [
        Setting(
            "objectives.scaat.epsilon",
            "64/255",
            "In pixel units of 0 to 1, with one search step, this proportion and this weight as "
            "measured on CIFAR-10. Try half and twice as much on validation images.",
        ),
        Setting(
            "objectives.scaat.steps",
            1,
            "One step: about 3 times the time of standard training. The paper's default is 4.",
        ),
        Setting("objectives.scaat.step_size", "80/255", "1.25 epsilon, as in that run."),
        Setting(
            "objectives.scaat.initial_proportion",
            0.2,
            "As in that run. It is the share of the image that the model learns not to mind: "
            "larger ones give sparser maps and cost accuracy. It adapts image by image.",
        ),
        Setting("objectives.scaat.weight", 5.0, "As in that run. Smaller ones cost less accuracy."),
        region,
    ]
