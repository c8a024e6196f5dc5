"""``scaat evaluate``: measure a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scaat.cli.command import SectionedCommand
from scaat.cli.memory import keep_freed_memory
from scaat.cli.options import config_option, gather
from scaat.cli.runs import (
    evaluate_with_progress,
    evaluation_options,
    load_splits,
    read_evaluation_options,
    result_rows,
    write_and_show,
)
from scaat.training import load_trained, open_folder, read_config


def evaluate(run: Path, out: Path | None, **parameters: Any) -> None:
    """Measure the saliency maps of a model that scaat train wrote to the folder RUN.

    The test images are those that the run's own configuration sets apart. Writes results.json,
    report.html, tables and figures.
    """
    keep_freed_memory()
    measured = gather(parameters)
    options = read_evaluation_options(measured)
    config = read_config(run)
    if config.get("command") != "train":
        raise click.BadParameter(
            f"{str(run)!r} holds a run of 'scaat {config.get('command')}', expected one of "
            "'scaat train' (a comparison's models lie in its folder models/)",
            param_hint="RUN",
        )
    trained = load_trained(run)
    config = {**config, **measured, "command": "evaluate"}
    splits = load_splits(config)
    folder = run / "evaluation" if out is None else out
    open_folder(folder, config, resume=False)
    method = config["method"]
    evaluation = evaluate_with_progress(
        trained,
        splits,
        options,
        seed=config["seed"],
        accelerator=config["training"]["accelerator"],
        title=method,
    )
    rows = result_rows(
        evaluation, trained, splits, method=method, config=config, standard_seconds=None
    )
    write_and_show(folder, rows, [evaluation], splits.test.classes, config)


command = SectionedCommand(
    "evaluate",
    callback=evaluate,
    help=evaluate.__doc__,
    params=[
        click.Argument(["run"], type=click.Path(exists=True, file_okay=False, path_type=Path)),
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path),
            help="Folder for the results; RUN/evaluation if not given.",
        ),
        config_option(),
        *evaluation_options(),
    ],
)
