"""``scaat train`` and ``scaat compare``: train one method, or several beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scaat.cli.options import gather
from scaat.cli.output import Result, console, if_interrupted, mode, say
from scaat.cli.runs import (
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
from scaat.evaluation.performance import check_label
from scaat.functional.regions import check_region_size
from scaat.objectives import build_objective
from scaat.training import fit, is_finished, open_folder
from scaat.training.architecture import starting_model
from scaat.training.checkpoint import checkpoints, step_of
from scaat.training.devices import is_main_process, plan_launch, started_outside
from scaat.training.fitting import read_reference


@if_interrupted("nothing was written")
def train(
    out: Path, resume: bool, dry_run: bool, reference: Path | None, **parameters: Any
) -> Result | None:
    """Train one model with one method."""
    config = gather(parameters)
    method = config["method"]
    config = resolved("train", config, [method])
    options = read_training_options(config)
    splits = _load(config)
    start = starting_model(splits.train, options)  # refuses what cannot work before it writes
    if reference is not None:
        read_reference(reference, start.architecture, options.epochs)
    if dry_run:
        return show_plan(splits, start.model, config["objectives"], options)
    with if_interrupted(lambda: _left(out)):
        if is_main_process():
            open_folder(out, config, resume=resume)
        trained = fit(
            splits,
            method,
            config["objectives"][method],
            options,
            seed=config["seed"],
            folder=out,
            reference=reference,
            resume=resume,
            quiet=mode().quiet,
        )
    if not is_main_process():
        return None
    summary = trained.summary
    standard = summary.get("reference_val_accuracy")
    beside = "" if standard is None else f" (standard training: {standard:.4f})"
    say(
        f"{method}: validation accuracy {summary['val_accuracy']:.4f}{beside} after "
        f"{summary['train_seconds']:.0f} s of training. Model: {out}"
    )
    return {"out": str(out), "method": method, "training": summary}


def _left(out: Path) -> str:
    saved = checkpoints(out)
    if not saved:
        return "there is no checkpoint yet; the same command with --resume begins again"
    step = step_of(saved[-1])
    return f"the same command with --resume continues from the checkpoint after step {step}"


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
    splits = _load(config)
    check_label(evaluation.label, splits.test)
    start = starting_model(splits.train, options)  # refuses what cannot work before it writes
    if dry_run:
        return show_plan(splits, start.model, config["objectives"], options)
    with if_interrupted(
        "the same command with --resume keeps the methods that are trained and continues with the "
        "others"
    ):
        if is_main_process():
            open_folder(out, config, resume=resume)
        folders = {method: out / "models" / method for method in methods}
        # Standard training first: a method with an accuracy budget is compared with it.
        reference = folders.get("standard")
        for method, folder in sorted(folders.items(), key=lambda item: item[0] != "standard"):
            finished = is_finished(folder)
            if is_main_process():
                doing = f"Training [bold]{method}[/bold] ..."
                console().print(f"{method} is trained already" if finished else doing)
            if not finished:
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


def _load(config: dict[str, Any]) -> DataSplits:
    """Load the data, and refuse regions of a method or the evaluation larger than the images."""
    splits = load_splits(config)
    shape = splits.train.images.shape
    for method, fields in config["objectives"].items():
        build_objective(method, 1, fields, training_steps=1).check_shape(shape)
    if "evaluation" in config:
        check_region_size(config["evaluation"]["aopc_region_size"], shape[2:])
    return splits
