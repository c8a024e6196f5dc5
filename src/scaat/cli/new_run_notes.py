"""What is remarkable about data, a sentence each, and the size that its images should have."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from scaat.data.hugging_face import column_names
from scaat.data.registry import Source
from scaat.data.survey import Seen, Survey
from scaat.training.advice import LARGEST

FEW = 50  # images of a class
UNBALANCED = 3  # times as many images in the largest class as in the smallest
SHOWN = 5  # names in one sentence, and sentences of one kind
GROUPS = ("patient", "slide", "case", "subject", "tile", "group", "specimen", "donor")


@dataclass(frozen=True)
class Size:
    """What to do about the images' size.

    Attributes:
        value: ``image_size``, or None to leave the images as they are.
        used: Height and width that they then have, in pixels.
        why: For a comment.
        notes: What to tell the user, a sentence each.
    """

    value: int | None
    used: tuple[int, int]
    why: str
    notes: list[str] = field(default_factory=list)


def image_size_for(sizes: Counter[tuple[int, int]], asked: int | None) -> Size:
    """Choose the size of the images to train on.

    Args:
        sizes: How many images have each height and width.
        asked: What the user asked for, if anything.
    """
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
        found = f"The images have {len(sizes):,} sizes, from {_named(min(sizes))} pixels on"
        why = f"The images have {len(sizes):,} sizes: the shorter side's median, at most {LARGEST}"
    else:
        found = f"The images have {_named(first)} pixels"
        why = f"The images have {_named(first)} pixels: {LARGEST} keeps training affordable"
    note = (
        f"{found}: they are resized to {side} pixels on the shorter side and the centre square is "
        f"cut out, so what lies at the ends of the longer side is lost{enlarged} (--image-size "
        "chooses another size)."
    )
    return Size(
        side, (side, side), f"{why}, a rule of thumb; the centre square is cut out.", [note]
    )


def notes_on(found: Survey, spec: str, source: Source, group: str | None) -> list[str]:
    """Return what a user should know of the data before training on them."""
    return [
        *_unreadable(found),
        *_balance(found),
        *_colour(found),
        *_twins(found),
        *_groups(found, spec, source, group),
    ]


def _unreadable(found: Survey) -> Iterator[str]:
    sentences = list(found.unreadable.values())
    for sentence in sentences[:SHOWN]:
        yield f"{sentence}: training stops there, so mend or remove it."
    if len(sentences) > SHOWN:
        yield f"{len(sentences) - SHOWN} more images cannot be read: scaat data check names them."
    looked = found.looked_at + len(found.unreadable)
    if looked < found.images:
        yield (
            f"{looked:,} of {found.images:,} images were looked at; scaat data check decodes all."
        )


def _balance(found: Survey) -> Iterator[str]:
    train = found.counts["train"]
    few = [name for name, count in zip(found.classes, train, strict=True) if count < FEW]
    if few:
        yield (
            f"{_listed(few)} {'has' if len(few) == 1 else 'have'} fewer than {FEW} images: expect "
            "wide intervals, and try pretrained weights (--weights) or more images."
        )
    least, most = min(train), max(train)
    if most >= UNBALANCED * max(1, least):
        largest = found.classes[train.index(most)]
        smallest = found.classes[train.index(least)]
        yield (
            f"The classes are unbalanced: {largest!r} has {most:,} images and {smallest!r} "
            f"{least:,}. Always answering {largest!r} would be right for {most / sum(train):.0%}, "
            "so read accuracies beside that."
        )


def _colour(found: Survey) -> Iterator[str]:
    if 0.02 < found.grey / max(1, found.decoded) < 0.98:
        yield (
            f"{found.grey:,} of {found.decoded:,} images that were decoded are grey, the others "
            "in colour: if that goes with the class, a model may learn that instead."
        )


def _twins(found: Survey) -> Iterator[str]:
    contradicting = [places for places in found.twins if len({p.label for p in places}) > 1]
    across = [places for places in found.twins if len({p.part for p in places}) > 1]
    within = [places for places in found.twins if places not in (*across, *contradicting)]
    for places, said in (
        (contradicting, "in more than one class"),
        (across, "in more than one of the data's own parts, so the test is easier than it looks"),
        (within, "several times in one class, so twins may lie on both sides of a split"),
    ):
        if places:
            yield (
                f"Found byte for byte {said}: {_pair(places[0])}"
                f"{f' and {len(places) - 1:,} more such images' if places[1:] else ''}."
            )


def _groups(found: Survey, spec: str, source: Source, group: str | None) -> Iterator[str]:
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
    elif found.groups is not None:
        yield (
            f"The files' names suggest {found.groups:,} groups of images (a slide, a patient): a "
            "random split tears them apart and makes the test easier than it is. Put each group "
            "whole into folders train/, validation/ and test/."
        )


def _pair(places: list[Seen]) -> str:
    return f"{places[0].name} and {places[1].name}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:SHOWN]))
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _named(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"
