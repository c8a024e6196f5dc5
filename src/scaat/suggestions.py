"""Suggested settings for a first run on a user's own images, each with its reason."""

from __future__ import annotations

import statistics
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from scaat.data.hugging_face import column_names
from scaat.data.registry import Source
from scaat.data.survey import Survey

MODEL = "small-resnet"
LARGEST = 224  # pixels; larger images are made smaller
BATCH, LEAST_BATCH = 64, 4
RATE = 0.1
STEPS = 3000
EPOCHS = (10, 40)
_STAGE_BYTES = (384, 1152, 2304, 7680)  # a pixel of float32 in a forward pass; each halves the side
_PASSES = 2  # that SCAAT keeps for the gradient: of the clean images and of the perturbed ones
_FRACTION = 0.5  # of the free memory


@dataclass(frozen=True)
class Setting:
    """A setting and its reason."""

    name: str  # its place in a configuration, dotted
    value: Any  # a plain value, as in a configuration
    why: str  # a sentence or two


def advise(
    image_size: tuple[int, int], train_images: int, *, free_memory: int | None
) -> list[Setting]:
    """Return settings of training and of SCAAT for a first run.

    Args:
        image_size: Height and width of the images as they will be trained on, in pixels.
        train_images: How many.
        free_memory: Of the device that trains, in bytes; None where unknown.
    """
    batch, why_batch = _batch_size(image_size, train_images, free_memory)
    steps = -(-train_images // batch)
    epochs = min(max(round(STEPS / steps), EPOCHS[0]), EPOCHS[1])
    why_rate = "The rate of the measured runs with batches of 64."
    if batch != BATCH:
        why_rate = (
            "0.1 with batches of 64 was measured; scaled with the batch (Goyal et al. 2017), a "
            "rule of thumb."
        )
    return [
        Setting(
            "training.model",
            MODEL,
            "The network of all measured runs; trains without a GPU. Others: resnet18, vgg16, "
            "torchvision:NAME, timm:NAME.",
        ),
        Setting(
            "training.epochs",
            epochs,
            f"{epochs * steps:,} steps. About 3,000 in 10 to 40 epochs is a rule of thumb: longer "
            "trainings give cleaner maps for the same budget, shorter ones a quick look.",
        ),
        Setting("training.batch_size", batch, why_batch),
        Setting("training.learning_rate", RATE * batch / BATCH, why_rate),
        Setting(
            "objectives.scaat.accuracy_budget",
            0.5,
            "Points of accuracy that cleaner maps may cost. The weight of the divergence follows "
            "from it. A larger budget gives cleaner maps.",
        ),
    ]


def activation_bytes(image_size: tuple[int, int]) -> int:
    """Return what one image's forward pass through the network makes, about, in bytes."""
    height, width = image_size
    stages = enumerate(_STAGE_BYTES)
    return sum(size * -(-height // 2**i) * -(-width // 2**i) for i, size in stages)


def _batch_size(
    image_size: tuple[int, int], train_images: int, free_memory: int | None
) -> tuple[int, str]:
    needed = activation_bytes(image_size) * _PASSES
    fits = None if free_memory is None else free_memory * _FRACTION / needed
    batch = BATCH
    while batch > LEAST_BATCH and (batch * 8 > train_images or (fits is not None and batch > fits)):
        batch //= 2
    estimate = f"about {batch * needed / 2**30:.1f} GiB of memory in a step"
    if batch == BATCH:
        return batch, f"As in the measured runs; {estimate}."
    if batch * 2 * 8 > train_images:
        return batch, f"64 was measured; smaller here for eight steps an epoch or more; {estimate}."
    return batch, f"64 was measured; smaller here to fit half of the free memory; {estimate}."


FEW = 50  # images of a class
UNBALANCED = 3  # times as many images in the largest class as in the smallest
SHOWN = 5  # names in one sentence, and sentences of one kind
GROUPS = ("patient", "slide", "case", "subject", "tile", "group", "specimen", "donor")


@dataclass(frozen=True)
class Size:
    """What to do about the images' size."""

    value: int | None  # ``image_size``, or None to leave the images as they are
    used: tuple[int, int]  # height and width that they then have, in pixels
    why: str  # for a comment
    notes: list[str] = field(default_factory=list)  # for the user, a sentence each


def image_size_for(sizes: Counter[tuple[int, int]], asked: int | None) -> Size:
    """Choose the size of the images to train on, of which so many have each height and width."""
    if asked is not None:
        return Size(asked, (asked, asked), "As you asked: shorter side resized, centre cut out.")
    (first, _), *others = sizes.most_common()
    if not others and min(first) <= LARGEST:
        return Size(None, first, f"All images have {_named(first)} pixels and stay as they are.")
    shorter = [min(size) for size, count in sizes.items() for _ in range(count)]
    median = int(statistics.median(shorter))
    side = min(LARGEST, median // 8 * 8 or median)
    smaller = sum(length < side for length in shorter)
    enlarged = f"; {smaller:,} images are smaller and become larger" if smaller else ""
    if others:
        sizes_now = f"The images have {len(sizes):,} sizes, from {_named(min(sizes))} pixels on"
        why = f"The images have {len(sizes):,} sizes: the shorter side's median, at most {LARGEST}"
    else:
        sizes_now = f"The images have {_named(first)} pixels"
        why = f"The images have {_named(first)} pixels: {LARGEST} keeps training affordable"
    note = (
        f"{sizes_now}: they are resized to {side} pixels on the shorter side and cropped to the "
        f"centre square, so the ends of the longer side are lost{enlarged} (--image-size chooses "
        "another size)."
    )
    return Size(
        side, (side, side), f"{why}, a rule of thumb; the centre square is cut out.", [note]
    )


def notes_on(data: Survey, spec: str, source: Source, group: str | None) -> list[str]:
    """Return what a user should know of the data before training on them."""
    sentences = list(data.unreadable.values())
    notes = [
        f"{sentence}: training stops there, so fix or remove it." for sentence in sentences[:SHOWN]
    ]
    if more := sentences[SHOWN:]:
        notes.append(f"{len(more)} more images cannot be read: scaat data check names them.")
    looked = data.looked_at + len(data.unreadable)
    if looked < data.images:
        notes.append(
            f"{looked:,} of {data.images:,} images were looked at; scaat data check decodes all."
        )
    notes += _balance(data)
    if 0.02 < data.grey / max(1, data.decoded) < 0.98:
        notes.append(
            f"{data.grey:,} of {data.decoded:,} images that were decoded are grey, the others "
            "in colour: if that goes with the class, a model may learn that instead."
        )
    return [*notes, *_duplicates(data), *_groups(data, spec, source, group)]


def _balance(data: Survey) -> Iterator[str]:
    train = data.counts["train"]
    few = [name for name, count in zip(data.classes, train, strict=True) if count < FEW]
    if few:
        yield (
            f"{_listed(few)} {'has' if len(few) == 1 else 'have'} fewer than {FEW} images: expect "
            "wide intervals, and try pretrained weights (--weights) or more images."
        )
    least, most = min(train), max(train)
    if most >= UNBALANCED * max(1, least):
        largest = data.classes[train.index(most)]
        smallest = data.classes[train.index(least)]
        yield (
            f"The classes are unbalanced: {largest!r} has {most:,} images and {smallest!r} "
            f"{least:,}. Always answering {largest!r} would be right for {most / sum(train):.0%}, "
            "so read accuracies beside that."
        )


def _duplicates(data: Survey) -> Iterator[str]:
    contradicting = [places for places in data.duplicates if len({p.label for p in places}) > 1]
    across = [places for places in data.duplicates if len({p.part for p in places}) > 1]
    within = [places for places in data.duplicates if places not in (*across, *contradicting)]
    for places, said in (
        (contradicting, "in more than one class"),
        (across, "in more than one of the data's own parts, so the test is easier than it looks"),
        (within, "several times in one class, so duplicates may end up on both sides of a split"),
    ):
        if places:
            one, other = places[0][:2]
            more = f" and {len(places) - 1:,} more such images" if places[1:] else ""
            yield f"Found byte for byte {said}: {one.name} and {other.name}{more}."


def _groups(data: Survey, spec: str, source: Source, group: str | None) -> Iterator[str]:
    if group is not None or {"test", "validation"} <= source.parts.keys():
        return
    kind, _, argument = spec.partition(":")
    if kind == "parquet":
        columns = [
            name for name in column_names(argument) if any(word in name.lower() for word in GROUPS)
        ]
        if columns:
            yield (
                f"The column {_listed(columns)} may say which images belong together: --group "
                "NAME keeps equal values in one split, without which what is held out is "
                "easier than it looks."
            )
    elif data.groups is not None:
        yield (
            f"The files' names suggest {data.groups:,} groups of images (a slide, a patient): a "
            "random split tears them apart and makes the test easier than it is. Put each group "
            "whole into folders train/, validation/ and test/."
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:SHOWN]))
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _named(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"


WIDTH = 96


def commented(settings: Sequence[Setting], data: str) -> str:
    """Return the text of a configuration file whose settings, for ``data``, are in its order."""
    head = (
        f"Settings for {data!r} to begin with, by scaat new-run. 'Measured' means: in the runs of "
        "results/README.md. A flag of the command line wins over this file."
    )
    lines = _comment(head, "")
    before: list[str] = []
    for setting in settings:
        *sections, name = setting.name.split(".")
        for depth, section in enumerate(sections):
            if before[: depth + 1] != sections[: depth + 1]:
                lines.append(f"{'  ' * depth}{section}:")
        before = sections
        indent = "  " * len(sections)
        lines += _comment(setting.why, indent)
        dumped = yaml.safe_dump({name: setting.value}, allow_unicode=True, width=10_000)
        lines.append(f"{indent}{dumped.strip()}")
    return "\n".join(lines) + "\n"


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )
