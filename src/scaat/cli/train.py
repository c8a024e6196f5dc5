"""``scaat train``: one model, one method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scaat.cli.command import SectionedCommand
from scaat.cli.memory import keep_freed_memory
from scaat.cli.options import gather
from scaat.cli.plan import dry_run_option, show_plan
from scaat.cli.runs import (
    console,
    load_splits,
    output_options,
    read_training_options,
    resolved,
    run_options,
)
from scaat.objectives import objectives
from scaat.training import fit, open_folder
from scaat.training.architecture import starting_model
from scaat.training.launch import is_main_process


def train(out: Path, resume: bool, dry_run: bool, **parameters: Any) -> None:
    """Train one model with one method.

    Writes model.pt, training.json, config.yaml, logs and a checkpoint of the last epoch to
    --out. Measure the model with: scaat evaluate OUT
    """
    keep_freed_memory()
    config = gather(parameters)
    method = config["method"]
    config = resolved("train", config, [method])
    options = read_training_options(config)
    splits = load_splits(config)
    start = starting_model(splits.train, options)  # refuses what cannot work before it writes
    if dry_run:
        if is_main_process():
            show_plan(splits, start.model, config["objectives"], options)
        return
    if is_main_process():
        open_folder(out, config, resume=resume)
    trained = fit(
        splits,
        method,
        config["objectives"][method],
        options,
        seed=config["seed"],
        folder=out,
        resume=resume,
    )
    if not is_main_process():
        return
    summary = trained.summary
    console(stderr=False).print(
        f"{method}: validation accuracy {summary['val_accuracy']:.4f} after "
        f"{summary['train_seconds']:.0f} s of training. Model: {out}",
        soft_wrap=True,
        highlight=False,
    )


command = SectionedCommand(
    "train",
    callback=train,
    help=train.__doc__,
    params=[
        *output_options(),
        dry_run_option(),
        click.Option(
            ["--method"],
            type=click.Choice(list(objectives)),
            default="scaat",
            show_default=True,
            help="How to train.",
        ),
        *run_options(list(objectives)),
    ],
)
