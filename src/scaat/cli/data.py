"""``scaat data``: list, inspect, check and convert data sets."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from scaat.cli.output import ExitWithResult, Result, complain, console, if_interrupted
from scaat.cli.progress import image_progress
from scaat.data import DataOptions, datasets
from scaat.data.cache import convert as convert_data
from scaat.data.loading import find_source
from scaat.data.published import wrong_checksums
from scaat.data.survey import broken_images
from scaat.errors import InputError

SHOWN = 20  # broken images that are named
CLASSES = 10  # classes that are named


def list_() -> Result:
    """Name the kinds of data that can be read."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("--data", no_wrap=True)
    table.add_column("What it is")
    for name in datasets:
        entry = datasets[name]
        table.add_row(f"{name}:{entry.argument}" if entry.argument else name, entry.summary)
    console(stderr=False).print(table)
    kinds = {name: datasets[name] for name in datasets}
    return {
        "kinds": [
            {"name": name, "argument": entry.argument, "summary": entry.summary}
            for name, entry in kinds.items()
        ]
    }


def info(data: str, classes: str | None) -> Result:
    """Show the parts and classes of DATA; only one image is decoded."""
    source = find_source(DataOptions(data=data, classes=classes), test_only=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Class")
    for name in source.parts:
        table.add_column(name, justify="right")
    counts = {
        name: part.labels.bincount(minlength=len(source.classes)).tolist()
        for name, part in source.parts.items()
    }
    for number, name in enumerate(source.classes[:CLASSES]):
        table.add_row(Text(name), *(f"{count[number]:,}" for count in counts.values()))
    if len(source.classes) > CLASSES:
        rest = [sum(count[CLASSES:]) for count in counts.values()]
        left = f"{len(source.classes) - CLASSES} more"
        table.add_row(Text(left, style="italic"), *(f"{count:,}" for count in rest))
    table.add_section()
    table.add_row("all", *(f"{sum(count):,}" for count in counts.values()))
    out = console(stderr=False)
    out.print(table)
    missing = [part for part in ("validation", "test") if part not in source.parts]
    if "train" not in source.parts:
        missing = []
        out.print("These data bring a test part alone: they can be evaluated on, not trained on.")
    elif missing:
        out.print(f"Drawn from train when used: {' and '.join(missing)}", highlight=False)
    first = next(iter(source.parts.values()))
    height, width = first.load(first.labels.new_zeros(1)).image_size
    out.print(f"The first image has {width} x {height} pixels.", highlight=False)
    return {
        "data": data,
        "classes": list(source.classes),
        "parts": {
            name: {"images": sum(count), "by_class": count} for name, count in counts.items()
        },
        "drawn_from_train": missing,
        "first_image": {"height": height, "width": width},
    }


@if_interrupted("not every image was looked at")
def check(data: str, image_size: int | None, classes: str | None) -> Result:
    """Decode every image of DATA and name the broken ones; exit with 1 if there are any."""
    options = DataOptions(data=data, image_size=image_size, classes=classes)
    source = find_source(options, test_only=True)
    broken = []
    kind, _, path = data.partition(":")
    with image_progress("check") as show:
        for sentence in chain(wrong_checksums(kind, Path(path)), broken_images(source, show)):
            broken.append(sentence)
            if len(broken) <= SHOWN:
                complain(sentence)
    if len(broken) > SHOWN:
        complain(f"and {len(broken) - SHOWN} more")
    total = sum(len(part.labels) for part in source.parts.values())
    result = {"data": data, "images": total, "broken": broken}
    if broken:
        raise ExitWithResult(result)
    console(stderr=False).print(f"{total:,} images are whole.", highlight=False)
    return result


@if_interrupted("nothing was written")
def convert(
    data: str,
    out: Path,
    image_size: int | None,
    group: str | None,
    inclusive_boxes: bool,
    classes: str | None,
) -> Result:
    """Write DATA decoded to the folder OUT, which --data cache:OUT maps instead of decoding."""
    if data.partition(":")[0] == "cache":
        raise InputError(f"data is {data!r}, a cache already; expected another kind")
    options = DataOptions(
        data=data,
        image_size=image_size,
        group=group,
        inclusive_boxes=inclusive_boxes,
        classes=classes,
    )
    with image_progress("convert") as show:
        sizes = convert_data(options, out, show)
    said = ", ".join(f"{count:,} {name}" for name, count in sizes.items())
    console(stderr=False).print(
        f"{said} images. Use: --data cache:{out}", soft_wrap=True, highlight=False, markup=False
    )
    return {"data": f"cache:{out}", "images": sizes}
