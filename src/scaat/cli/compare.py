"""``scaat compare``: train several methods, evaluate them, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scaat.cli.command import SectionedCommand
from scaat.cli.memory import keep_freed_memory
from scaat.cli.options import gather
from scaat.cli.runs import (
    console,
    evaluate_with_progress,
    evaluation_options,
    load_splits,
    output_options,
    read_evaluation_options,
    read_training_options,
    resolved,
    result_rows,
    run_options,
    write_and_show,
)
from scaat.cli.types import NAMES
from scaat.objectives import objectives
from scaat.training import (
    TrainedModel,
    fit,
    is_finished,
    load_trained,
    open_folder,
)

DEFAULT_METHODS = ("standard", "saliency-guided", "scaat")


def compare(out: Path, resume: bool, **parameters: Any) -> None:
    """Train several methods on one data set, evaluate them and write a report.

    The main job: prints the comparison and writes results.json, report.html, tables (Markdown
    and CSV) and figures to --out, and each model to a folder of its own there.
    """
    keep_freed_memory()
    config = gather(parameters)
    methods = config["methods"]
    config = resolved("compare", config, methods)
    options = read_training_options(config)
    evaluation = read_evaluation_options(config)
    splits = load_splits(config)
    open_folder(out, config, resume=resume)
    trained: dict[str, TrainedModel] = {}
    for method in methods:
        folder = out / "models" / method
        if is_finished(folder):
            console().print(f"{method} is trained already")
            trained[method] = load_trained(folder)
            continue
        console().print(f"Training [bold]{method}[/bold] ...")
        trained[method] = fit(
            splits,
            method,
            config["objectives"][method],
            options,
            seed=config["seed"],
            folder=folder,
            resume=resume,
        )
    base = trained.get("standard")
    evaluations, rows = [], []
    for method, model in trained.items():
        measured = evaluate_with_progress(
            model,
            splits,
            evaluation,
            seed=config["seed"],
            accelerator=options.accelerator,
            title=method,
        )
        evaluations.append(measured)
        rows += result_rows(
            measured,
            model,
            splits,
            method=method,
            config=config,
            standard_seconds=base.summary["train_seconds"] if base else None,
        )
    write_and_show(out, rows, evaluations, splits.test.classes, config)


command = SectionedCommand(
    "compare",
    callback=compare,
    help=compare.__doc__,
    params=[
        *output_options(),
        click.Option(
            ["--methods"],
            type=NAMES,
            default=",".join(DEFAULT_METHODS),
            show_default=True,
            help=f"Methods to compare, from {', '.join(objectives)}.",
        ),
        *run_options(list(objectives)),
        *evaluation_options(),
    ],
)
