"""``scaat cost``: what a step of each training method costs beside standard training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import torch

from scaat.cli.command import SectionedCommand
from scaat.cli.cost_output import as_json, cost_table, write_costs
from scaat.cli.interruption import if_interrupted
from scaat.cli.memory import keep_freed_memory
from scaat.cli.names import data_kinds, method_names, one_of, several_of
from scaat.cli.options import config_option, dataclass_options, gather, objective_options
from scaat.cli.output import Result, console
from scaat.cli.runs import command_line, evaluation_device, load_splits, read_training_options
from scaat.cli.types import NAMES, NUMBER
from scaat.cli.variants import Changed, variant_option
from scaat.cost import BASE, Variant, measure_costs
from scaat.data import ImageSet, to_float
from scaat.errors import InputError
from scaat.evaluation import environment
from scaat.exhaustion import memory_in_words
from scaat.files import require_new
from scaat.functional.checks import check_positive
from scaat.objectives import build_objective, objectives
from scaat.options.data import LARGEST
from scaat.training import TrainingOptions
from scaat.training.architecture import starting_model
from scaat.training.precision import autocast_dtype, lightning_precision

METHODS = (BASE, "saliency-guided", "scaat")
RANDOM, RANDOM_SIZE, RANDOM_CLASSES = "random", 32, 10
SEED = 0
"""Of random images, the weights and the data's split: none of them decides a cost."""

OF_A_STEP = (
    "model",
    "input_size",
    "adapter",
    "trainable",
    "batch_size",
    "precision",
    "accelerator",
    "compile",
)
"""The options of a training that say what a step of it computes."""


@if_interrupted("nothing was written")
def cost(
    out: Path | None,
    variants: tuple[Changed, ...],
    rounds: int,
    turn_seconds: float,
    **parameters: Any,
) -> Result:
    """Measure what a training step costs by each method, beside standard training.

    Counts passes from floating-point operations (forward, gradient with respect to the inputs
    and to the weights), times the methods by turns, measures their memory, and says how far each
    time is above that of its passes. Needs no data: images are random unless --data names some.
    """
    keep_freed_memory()
    config = gather(parameters)
    chosen = _chosen(config["methods"], config["objectives"], variants)
    options = read_training_options({"training": config["training"], "objectives": {}})
    for variant in chosen:
        build_objective(variant.method, 1, dict(variant.options))
    check_positive(turn_seconds, "turn_seconds", zero=True)
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
        memory_in_words("the measurement", ["batch_size", "image_size"]),
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
    found = {
        "environment": machine | {"command": command_line()},
        "settings": settings,
        "costs": [as_json(each) for each in costs],
    }
    console(stderr=False).print(cost_table(costs, settings, str(machine["device"])))
    if out is not None:
        write_costs(out, costs, found)
        console(stderr=False).print(
            f"Written: {out}", soft_wrap=True, highlight=False, markup=False
        )
    return {**found, "out": None if out is None else str(out)}


def _chosen(
    methods: list[str], fields: dict[str, dict[str, Any]], variants: tuple[Changed, ...]
) -> list[Variant]:
    """Return what to measure: methods as they are set, then those with changes."""
    if not methods and not variants:
        methods = list(METHODS)
    for method in methods:
        objectives[method]  # refuses an unknown one by the nearest name
    if BASE not in (*methods, *(changed.method for changed in variants)):
        methods = [BASE, *methods]
    return [Variant(method, method, fields[method]) for method in methods] + [
        Variant(changed.text, changed.method, {**fields[changed.method], **changed.changes})
        for changed in variants
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


def _data_options() -> list[click.Option]:
    return [
        click.Option(
            ["--data", "data__data"],
            default=RANDOM,
            show_default=True,
            shell_complete=one_of(lambda: [RANDOM, *data_kinds()]),
            help="The images of the batch: random, or the first of some data's training part (see "
            "scaat data list).",
        ),
        click.Option(
            ["--image-size", "data__image_size"],
            type=click.IntRange(1, LARGEST),
            help=f"Height and width in pixels; default: {RANDOM_SIZE} for random images, the "
            "data's own for others.",
        ),
        click.Option(
            ["--classes"],
            type=click.IntRange(min=2),
            help=f"Of random images; default: {RANDOM_CLASSES}.",
        ),
    ]


command = SectionedCommand(
    "cost",
    callback=cost,
    help=cost.__doc__,
    params=[
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path),
            help="New or empty folder for cost.json, cost.md and cost.png; default: print alone.",
        ),
        click.Option(
            ["--methods"],
            type=NAMES,
            default=(),
            shell_complete=several_of(method_names),
            help=f"Methods to measure, from {', '.join(objectives)}; default: "
            f"{','.join(METHODS)} where no --variant is given. {BASE} is always measured.",
        ),
        variant_option(),
        click.Option(
            ["--rounds"],
            type=click.IntRange(min=1),
            default=10,
            show_default=True,
            help="Turns of each method, all of them one after another in each round.",
        ),
        click.Option(
            ["--turn-seconds"],
            type=NUMBER,
            default=0.1,
            show_default=True,
            help="Time of a turn of standard training, at least; each method repeats its step as "
            "often.",
        ),
        config_option(),
        *_data_options(),
        *(
            option
            for option in dataclass_options("training", TrainingOptions)
            if str(option.name).removeprefix("training__") in OF_A_STEP
        ),
        *(option for method in objectives for option in objective_options(method)),
    ],
)
