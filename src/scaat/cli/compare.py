"""``scaat compare``: train several methods, evaluate them, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scaat.cli.options import gather
from scaat.cli.output import Result, console, if_interrupted, mode
from scaat.cli.runs import (
    check_regions,
    joined_processes,
    load_splits,
    measure_run,
    read_evaluation_options,
    read_training_options,
    resolved,
    show_plan,
    show_report,
    write_rows,
)
from scaat.data import DataSplits
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.evaluation.performance import check_label
from scaat.training import TrainingOptions, fit, is_finished, open_folder
from scaat.training.architecture import starting_model
from scaat.training.devices import is_main_process, plan_launch, started_outside


@if_interrupted("nothing was written")
def compare(out: Path, resume: bool, dry_run: bool, **parameters: Any) -> Result | None:
    """Train several methods on one data set, evaluate them and write a report."""
    config = gather(parameters)
    methods = config["methods"]
    config = resolved("compare", config, methods)
    options = read_training_options(config)
    launch = plan_launch(options.devices, options.nodes, options.strategy)
    launcher = started_outside() or "strategy ddp"
    # These cannot divide the evaluation, and would all write the report.
    if launch.processes > 1 and not launch.spawns and launcher != "torchrun":
        raise InputError(
            f"compare runs in one process or those of torchrun, found several of {launcher}; "
            "expected --devices N, which starts processes for the training alone, or torchrun "
            "... -m scaat compare"
        )
    evaluation = read_evaluation_options(config)
    splits = load_splits(config)
    check_regions(config, splits)
    check_label(evaluation.label, splits.test)
    start = starting_model(splits.train, options)  # refuses what cannot work before it writes
    if dry_run:
        return show_plan(splits, start.model, config["objectives"], options)
    with if_interrupted(
        "the same command with --resume keeps the methods that are trained and continues with the "
        "others"
    ):
        return _compare(out, splits, config, options, evaluation, resume=resume)


def _compare(
    out: Path,
    splits: DataSplits,
    config: dict[str, Any],
    options: TrainingOptions,
    evaluation: EvaluationOptions,
    *,
    resume: bool,
) -> Result | None:
    if is_main_process():
        open_folder(out, config, resume=resume)
    folders = {method: out / "models" / method for method in config["methods"]}
    # Standard training first: a method with an accuracy budget is compared with it.
    reference = folders.get("standard")
    for method, folder in sorted(folders.items(), key=lambda item: item[0] != "standard"):
        if is_finished(folder):
            _note(f"{method} is trained already")
            continue
        _note(f"Training [bold]{method}[/bold] ...")
        fit(
            splits,
            method,
            config["objectives"][method],
            options,
            seed=config["seed"],
            folder=folder,
            reference=reference,
            resume=resume,
            quiet=mode().quiet,
        )
    with joined_processes() as processes:
        measured = [
            measure_run(
                folder, splits, evaluation, method=method, config=config, processes=processes
            )
            for method, folder in folders.items()
        ]
    if not is_main_process():
        return None
    write_rows(out, measured, config, options.accelerator)
    return {"out": str(out), **show_report(out)}


def _note(text: str) -> None:
    """Print progress, in the first process alone."""
    if is_main_process():
        console().print(text)
