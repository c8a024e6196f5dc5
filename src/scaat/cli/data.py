"""``scaat data``: list, inspect, check and convert data sets."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import torch
from rich.text import Text

from scaat.cli.output import (
    ExitWithResult,
    Result,
    complain,
    console,
    if_interrupted,
    progress,
    say,
)
from scaat.data import DataOptions, datasets
from scaat.data.cache import convert as convert_data
from scaat.data.image_set import class_counts
from scaat.data.loading import find_source
from scaat.data.published import wrong_checksums
from scaat.data.survey import broken_images
from scaat.display.table import terminal_grid
from scaat.errors import InputError

SHOWN = 20  # broken images that are named
CLASSES = 10  # classes that are named


def list_() -> Result:
    """Name the kinds of data that can be read."""
    kinds = [
        {"name": name, "argument": datasets[name].argument, "summary": datasets[name].summary}
        for name in datasets
    ]
    rows = [
        (f"{kind['name']}:{kind['argument']}".removesuffix(":"), kind["summary"]) for kind in kinds
    ]
    table = terminal_grid(["--data", "What it is"], rows, left=2)
    table.columns[0].no_wrap = True
    console(stderr=False).print(table)
    return {"kinds": kinds}


def info(data: str, classes: str | None) -> Result:
    """Show the parts and classes of DATA; only one image is decoded."""
    source = find_source(DataOptions(data=data, classes=classes), test_only=True)
    counts = {
        name: class_counts(part.labels, len(source.classes)) for name, part in source.parts.items()
    }
    rows: list[list[str | Text] | None] = [
        [name, *(f"{count[number]:,}" for count in counts.values())]
        for number, name in enumerate(source.classes[:CLASSES])
    ]
    if len(source.classes) > CLASSES:
        rest = [sum(count[CLASSES:]) for count in counts.values()]
        left = f"{len(source.classes) - CLASSES} more"
        rows.append([Text(left, style="italic"), *(f"{count:,}" for count in rest)])
    rows += [None, ["all", *(f"{len(part.labels):,}" for part in source.parts.values())]]
    console(stderr=False).print(terminal_grid(["Class", *source.parts], rows))
    missing = [part for part in ("validation", "test") if part not in source.parts]
    if "train" not in source.parts:
        missing = []
        say("These data bring a test part alone: they can be evaluated on, not trained on.")
    elif missing:
        say(f"Drawn from train when used: {' and '.join(missing)}")
    first = next(iter(source.parts.values()))
    height, width = first.load(torch.tensor([0])).image_size
    say(f"The first image has {width} x {height} pixels.")
    return {
        "data": data,
        "classes": list(source.classes),
        "parts": {
            name: {"images": len(part.labels), "by_class": counts[name]}
            for name, part in source.parts.items()
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
    kind, _, place = data.partition(":")
    path = Path(place).expanduser()
    with progress("check") as show:
        for sentence in chain(wrong_checksums(kind, path), broken_images(source, show)):
            broken.append(sentence)
            if len(broken) <= SHOWN:
                complain(sentence)
    if len(broken) > SHOWN:
        complain(f"and {len(broken) - SHOWN} more")
    total = sum(len(part.labels) for part in source.parts.values())
    result = {"data": data, "images": total, "broken": broken}
    if broken:
        raise ExitWithResult(result)
    say(f"{total:,} images are whole.")
    return result


@if_interrupted("nothing was written")
def convert(data: str, out: Path, **options: Any) -> Result:
    """Write DATA, read with these `DataOptions`, decoded to OUT, which --data cache:OUT maps."""
    if data.partition(":")[0] == "cache":
        raise InputError(f"data is {data!r}, a cache already; expected another kind")
    with progress("convert") as show:
        sizes = convert_data(DataOptions(data=data, **options), out, show)
    said = ", ".join(f"{count:,} {name}" for name, count in sizes.items())
    say(f"{said} images. Use: --data cache:{out}")
    return {"data": f"cache:{out}", "images": sizes}
