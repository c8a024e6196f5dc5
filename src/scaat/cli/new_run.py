"""``scaat new-run``: look at data, and write a configuration to begin with."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

import torch
from rich.table import Table

from scaat.cli.output import Result, console, if_interrupted, progress, say
from scaat.data import DataOptions, datasets
from scaat.data.loading import find_source, split_positions
from scaat.data.registry import Source
from scaat.data.survey import Survey, survey
from scaat.display.table import terminal_grid
from scaat.errors import InputError, did_you_mean
from scaat.files import write_text
from scaat.hardware import available_memory
from scaat.suggestions import Setting, advise, commented, image_size_for, notes_on

SEED = 0
SLOW = 128  # pixels from which on the measuring of 200 images takes hours on a few cores
FEWER = 50


@if_interrupted("nothing was written")
def new_run(
    data: str,
    out: Path,
    image_size: int | None,
    group: str | None,
    classes: str | None,
    force: bool,
) -> Result:
    """Look at DATA and write a commented configuration for scaat compare and scaat train."""
    if out.is_dir():
        raise InputError(f"output {str(out)!r} is a folder; expected a file to write, FILE.yaml")
    if out.exists() and not force:
        raise InputError(f"output {str(out)!r} exists; expected a new file, or --force")
    spec = data_spec(data)
    options = DataOptions(data=spec, image_size=image_size, group=group, classes=classes)
    source = find_source(options)
    with progress("look at images") as show:
        seen = survey(source, show)
    train_images = len(split_positions(source, options, seed=SEED)["train"][1])
    if not seen.sizes:
        raise InputError(
            f"none of the images of {spec!r} can be read; the first: "
            f"{next(iter(seen.unreadable.values()))}"
        )
    size = image_size_for(seen.sizes, image_size)
    has_gpu = torch.cuda.is_available()
    free = torch.cuda.mem_get_info()[0] if has_gpu else available_memory()
    settings = [
        *_of_data(options, size.value, size.why, source),
        *advise(size.used, train_images, free_memory=free),
    ]
    notes = [*size.notes, *notes_on(seen, spec, source, group)]
    following = f"scaat compare --config {shlex.quote(str(out))} --out runs/first"
    if min(size.used) >= SLOW:
        following += f" --eval-images {FEWER}"
        notes.append(
            f"Measuring saliency maps of {min(size.used)} pixels takes long (78 minutes for 200 "
            "images of 224 pixels and three saliency methods on one core, "
            f"results/engineering/README.md), so the command below measures {FEWER}."
        )
        if not has_gpu:
            times = math.prod(size.used) / 64**2
            notes.append(
                f"Without a GPU, training takes about {times:.0f} times as long as with images of "
                "64 pixels: --image-size 64 here makes a first look quick."
            )
    write_text(out, commented(settings, spec))
    console(stderr=False).print(_table(seen, source, train_images))
    say(
        *(f"- {note}" for note in notes),
        *([""] if notes else []),
        f"Written: {out}, a reason beside every setting. Next, what it will cost:",
        f"  {following} --dry-run",
        "and the same command without --dry-run.",
    )
    return {
        "out": str(out),
        "data": spec,
        "classes": list(seen.classes),
        "counts": seen.counts,
        "sizes": [
            {"height": height, "width": width, "images": count}
            for (height, width), count in seen.sizes.most_common()
        ],
        "images": {
            "all": seen.images,
            "looked_at": seen.looked_at,
            "decoded": seen.decoded,
            "grey": seen.grey,
            "to_train_on": train_images,
        },
        "unreadable": list(seen.unreadable.values()),
        "duplicates": [[place.name for place in places] for places in seen.duplicates],
        "suggested_groups": seen.groups,
        "settings": {setting.name: setting.value for setting in settings},
        "notes": notes,
        "next": following,
    }


def data_spec(data: str) -> str:
    """Return what ``--data`` takes for a folder or file of any kind that can be told."""
    kind, colon, _ = data.partition(":")
    if kind in datasets:
        return data
    path = Path(data).expanduser()
    if path.is_dir():
        inside = (path, path / "data")
        if any(list(folder.glob("train*.parquet")) for folder in inside):
            return f"parquet:{data}"
        return f"webdataset:{data}" if list(path.glob("train*.tar")) else f"folder:{data}"
    if path.suffix == ".parquet" and path.is_file():
        return f"parquet:{data}"
    wanted = "one of scaat data list" if colon else "a folder of images, or one of scaat data list"
    raise InputError(f"data {data!r} is not there{did_you_mean(kind, datasets)}; expected {wanted}")


def _of_data(
    options: DataOptions, image_size: int | None, why: str, source: Source
) -> list[Setting]:
    reasons = {
        "data": "What was looked at, as seen from where the command runs.",
        "image_size": why,
    }
    if options.group is not None:
        reasons["group"] = "Equal values stay in one split, as you asked."
    if options.classes is not None:
        reasons["classes"] = "Images of other classes are left out, as you asked."
    for part in ("validation", "test"):
        if part not in source.parts:
            reasons[f"{part}_fraction"] = (
                f"The data have no {part} part: this fraction is drawn by the seed, class by class."
            )
    values = {**vars(options), "image_size": image_size}
    return [
        Setting("seed", SEED, "Of the split, the weights and every draw; results vary with it."),
        *(Setting(f"data.{name}", values[name], said) for name, said in reasons.items()),
    ]


def _table(seen: Survey, source: Source, train_images: int) -> Table:
    parts = ", ".join(f"{sum(count):,} {name}" for name, count in seen.counts.items())
    missing = [name for name in ("validation", "test") if name not in source.parts]
    drawn = f"; {' and '.join(missing)} drawn from train" if missing else ""
    train = seen.counts["train"]
    by_size = [
        f"{seen.classes[number]}, {train[number]:,} images ({train[number] / sum(train):.0%})"
        for number in sorted(range(len(train)), key=train.__getitem__)
    ]
    sizes = [f"{w} x {h} ({n:,})" for (h, w), n in seen.sizes.most_common(3)]
    more = len(seen.sizes) - len(sizes)
    colour = f"{seen.grey:,} grey, {seen.decoded - seen.grey:,} colour"
    if seen.grey in (0, seen.decoded):
        colour = "grey" if seen.grey == seen.decoded else "colour"
    rows = [
        ("images", f"{parts}{drawn}"),
        ("to train on", f"{train_images:,}"),
        ("classes", f"{len(seen.classes)}"),
        ("smallest class", by_size[0]),
        ("largest class", by_size[-1]),
        ("width x height", ", ".join(sizes) + (f" and {more} other sizes" if more else "")),
        ("colour", f"{colour} (of {seen.decoded:,} decoded)"),
        ("unreadable", f"{len(seen.unreadable):,}"),
    ]
    table = terminal_grid(["", ""], rows, left=2)
    table.columns[0].no_wrap = True
    return table
