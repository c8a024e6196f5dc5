"""``scaat cost``: what a step of each training method costs beside standard training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from scaat.cli.cost_output import as_json, cost_table, write_costs
from scaat.cli.options import Changed, gather
from scaat.cli.output import Result, console, if_interrupted
from scaat.cli.runs import command_line, evaluation_device, load_splits, read_training_options
from scaat.cost import BASE, Variant, measure_costs
from scaat.data import ImageSet, to_float
from scaat.errors import InputError
from scaat.evaluation import environment
from scaat.exhaustion import memory_in_words
from scaat.files import require_new
from scaat.functional.checks import check_positive
from scaat.objectives import build_objective, objectives
from scaat.training.architecture import starting_model
from scaat.training.precision import autocast_dtype, lightning_precision

METHODS = (BASE, "saliency-guided", "scaat")
RANDOM, RANDOM_SIZE, RANDOM_CLASSES = "random", 32, 10
SEED = 0
"""Of random images, the weights and the data's split: none of them decides a cost."""


@if_interrupted("nothing was written")
def cost(
    out: Path | None,
    variants: tuple[Changed, ...],
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
