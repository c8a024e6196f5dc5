"""``scaat cost``: what a step of each training method costs beside standard training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from scaat.cli.options import gather
from scaat.cli.output import Result, console, if_interrupted, say, show_table
from scaat.cli.runs import command_line, evaluation_device, load_splits, read_training_options
from scaat.cost import BASE, Cost, Variant, measure_costs
from scaat.data import ImageSet, to_float
from scaat.display.labels import MINUS, NARROW_SPACE
from scaat.display.table import Cell, Line, Table, escape, markdown_section
from scaat.errors import InputError
from scaat.evaluation import environment
from scaat.files import new_folder, require_new, write_bytes, write_json, write_text
from scaat.objectives import build_objective, objectives
from scaat.oom import translate_oom
from scaat.training.architecture import starting_model
from scaat.training.devices import autocast_dtype, lightning_precision

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1
COLUMNS = (
    "forward + input + weight",
    "passes",
    "× std",
    "time × std",
    "±",
    "above passes",
    "images per s",
    "mem. × std",  # all columns and a name in 80 characters
)
NOTE = (
    "Passes are in units of one forward pass, from floating-point operations. Times are of whole "
    "steps without loading, as ratios to standard training in the same round: their median ± half "
    "the distance between their quartiles. Above passes: how far that median is from the ratio of "
    "passes."
)


def as_json(cost: Cost) -> dict[str, Any]:
    """Return a cost as plain values; its names and units are those of `scaat.cost.Cost`."""
    fields = asdict(cost)
    variant = fields.pop("variant")
    passes = fields.pop("passes") | {"total": cost.passes.total}
    return {**variant, "passes": passes, **fields, "excess": cost.excess}


def cost_table(costs: Sequence[Cost], settings: Mapping[str, Any], device: str) -> Table:
    """Return the table, a line for each method."""
    height, width = settings["image_size"]
    compiled = "" if settings["compile"] == "none" else f", compiled by {settings['compile']}"
    lines = []
    for cost in costs:
        passes, time = cost.passes, cost.time_ratio
        cells = (
            "+".join(f"{kind:.1f}" for kind in astuple(passes)),
            f"{passes.total:.2f}",
            f"{cost.pass_ratio:.2f}",
            f"{time.median:.2f}",
            f"{(time.high - time.low) / 2:.2f}",
            f"{cost.excess:+.0%}".replace("-", MINUS).replace("%", f"{NARROW_SPACE}%"),
            f"{cost.images_per_second:,.0f}".replace(",", NARROW_SPACE),
            f"{cost.memory_ratio:.2f}",
        )
        lines.append(Line("", cost.variant.label, tuple(map(Cell, cells))))
    return Table(
        name="cost",
        caption=f"{settings['model']}, {settings['batch_size']} images of {width} x {height} "
        f"pixels, {settings['precision']} on {device}{compiled}",
        note=NOTE,
        stub="method",
        columns=COLUMNS,
        lines=tuple(lines),
    )


def cost_figure(costs: Sequence[Cost]) -> Figure:
    """Return time against passes, both beside standard training, with the line where they agree."""
    from matplotlib.figure import Figure  # draws: not needed to print

    from scaat.display.style import MUTED, marks, plain, style

    looks = marks(list(dict.fromkeys(cost.variant.method for cost in costs)))
    with style():
        figure = Figure(figsize=(6, 4.5), layout="constrained")
        axes = figure.add_subplot()
        end = 1.1 * max(max(cost.pass_ratio, cost.time_ratio.high) for cost in costs)
        axes.plot([0, end], [0, end], color=MUTED, linewidth=0.8, linestyle=":")
        for cost in costs:
            colour, marker, _ = looks[cost.variant.method]
            time = cost.time_ratio
            spread = [[time.median - time.low], [time.high - time.median]]
            point = (cost.pass_ratio, time.median)
            axes.errorbar(*point, yerr=spread, color=colour, marker=marker, markersize=5)
            left = cost.pass_ratio > end / 2  # where a name to the right would leave the figure
            axes.annotate(
                plain(cost.variant.label),
                point,
                xytext=(-7 if left else 7, -3),
                textcoords="offset points",
                horizontalalignment="right" if left else "left",
                fontsize=8,
            )
        axes.set(xlim=(0, end), ylim=(0, end))
        axes.set(xlabel="passes × standard", ylabel="time × standard")
    return figure


METHODS = (BASE, "saliency-guided", "scaat")
MACHINE = ("cpu", "threads", "torch", "date")
RANDOM, RANDOM_SIZE, RANDOM_CLASSES = "random", 32, 10
SEED = 0
"""Of random images, the weights and the data's split: none of them decides a cost."""


@if_interrupted("nothing was written")
def cost(
    out: Path | None,
    variants: tuple[Variant, ...],
    rounds: int,
    turn_seconds: float,
    **parameters: Any,
) -> Result:
    """Measure what a training step costs by each method, beside standard training."""
    config = gather(parameters)
    chosen = _chosen(config["methods"], config["objectives"], variants)
    options = read_training_options({"training": config["training"], "objectives": {}})
    for variant in chosen:
        build_objective(variant.method, 1, dict(variant.options))
    if out is not None:
        require_new(out)
    train = _images(config["data"], config["classes"], options.batch_size)
    device = evaluation_device(options.accelerator)
    precision = lightning_precision(options.precision, options.accelerator)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = starting_model(train, options).model
    raw, labels, _ = train.__getitems__(list(range(min(options.batch_size, len(train)))))
    with (
        console().status("Starting ...") as status,
        translate_oom("the measurement", ["batch_size", "image_size"]),
    ):
        costs = measure_costs(
            model,
            chosen,
            to_float(raw.to(device)),
            labels,
            rounds=rounds,
            turn_seconds=turn_seconds,
            autocast=autocast_dtype(precision),
            compile_backend=None if options.compile == "none" else options.compile,
            progress=lambda doing: status.update(f"{doing[0].upper()}{doing[1:]} ..."),
        )
    settings = {
        **config["training"],
        "data": config["data"]["data"],
        "image_size": list(train.image_size),
        "classes": train.num_classes,
        "weights": sum(weight.numel() for weight in model.parameters()),
        "batch_size": len(labels),
        "precision": precision,
        "rounds": rounds,
        "turn_seconds": turn_seconds,
    }
    machine = environment(device)
    content = {
        "environment": machine | {"command": command_line()},
        "settings": settings,
        "costs": [as_json(each) for each in costs],
    }
    table = cost_table(costs, settings, str(machine["device"]))
    show_table(table)
    say(NOTE)
    if out is not None:
        from scaat.display.style import figure_bytes

        described = ", ".join(f"{name} {machine[name]}" for name in MACHINE)
        with new_folder(out) as part:  # all files or none
            write_json(part / "cost.json", {"schema": SCHEMA, **content})
            write_text(part / "cost.md", f"{markdown_section(table)}\n\n{escape(described)}\n")
            write_bytes(part / "cost.png", figure_bytes(cost_figure(costs), "png"))
        say(f"Written: {out}")
    return {**content, "out": None if out is None else str(out)}


def _chosen(
    methods: list[str], fields: dict[str, dict[str, Any]], variants: tuple[Variant, ...]
) -> list[Variant]:
    """Return what to measure: methods as they are set, then those with changes."""
    if not methods and not variants:
        methods = list(METHODS)
    for method in methods:
        objectives[method]  # refuses an unknown one by the nearest name
    if BASE not in (*methods, *(variant.method for variant in variants)):
        methods = [BASE, *methods]
    return [Variant(method, method, fields[method]) for method in methods] + [
        replace(variant, options={**fields[variant.method], **variant.options})
        for variant in variants
    ]


def _images(data: dict[str, Any], classes: int | None, count: int) -> ImageSet:
    """Return the training images of some data, or a batch of random ones."""
    if data["data"] != RANDOM:
        if classes is not None:
            raise InputError(
                f"--classes goes with random images, found it with --data {data['data']}, which "
                "has classes of its own"
            )
        return load_splits({"data": data, "seed": SEED}).train
    side = data["image_size"] or RANDOM_SIZE
    classes = classes or RANDOM_CLASSES
    generator = torch.Generator().manual_seed(SEED)
    return ImageSet(
        torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=generator),
        torch.arange(count) % classes,
        tuple(map(str, range(classes))),
    )
