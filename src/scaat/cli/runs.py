"""What the commands share: configuration, plan, evaluation with progress; and reports."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import distributed, nn

from scaat.cli.output import Result, console, if_interrupted, progress, say
from scaat.cost.plan import peak_memory, plan_training
from scaat.data import DataOptions, DataSplits, load_data
from scaat.display.labels import seconds_text
from scaat.display.table import terminal_grid
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions, Progress, environment
from scaat.evaluation.processes import ALONE, Processes
from scaat.evaluation.trained import Measured, measure_trained, write_measured
from scaat.models import Classifier, find_adapter, find_model
from scaat.objectives import build_objective
from scaat.oom import translate_oom
from scaat.report import find_results, lattice_lines, read_results, terminal_table, write_report
from scaat.studies.store import is_packed, unpack
from scaat.training import TrainingOptions
from scaat.training.devices import (
    check_accelerator,
    check_compile,
    is_main_process,
    plan_launch,
    started_outside,
)


def load_splits(config: Mapping[str, Any], **options: bool) -> DataSplits:
    """Load the data that a configuration names by `load_data`, and say what was found."""
    data = DataOptions(**config["data"])
    with console().status(f"Loading {data.name or data.data} ..."):
        splits = load_data(data, seed=config["seed"], **options)
    height, width = splits.train.image_size
    if is_main_process():
        others = f"{len(splits.train)} training, {len(splits.validation)} validation and "
        kind = "labels" if splits.test.is_multilabel else "classes"
        labels = f"in {splits.test.num_classes} {kind}" if splits.test.has_labels else "unlabelled"
        console().print(
            f"{splits.name}: {others if len(splits.train) else ''}{len(splits.test)} test images "
            f"of {width} x {height} pixels {labels}",
            soft_wrap=True,
        )
    return splits


def read_training_options(config: Mapping[str, Any]) -> TrainingOptions:
    """Return the training part of a configuration; refuse a wrong model or method early."""
    options = TrainingOptions(**config["training"])
    find_model(options.model)
    find_adapter(options.adapter)
    plan_launch(options.devices, options.nodes, options.strategy)
    check_accelerator(options.accelerator)
    check_compile(options.compile, options.accelerator)
    for method, fields in config["objectives"].items():
        build_objective(method, 1, fields, training_steps=1)
    return options


def read_evaluation_options(config: Mapping[str, Any]) -> EvaluationOptions:
    """Return the evaluation part of a configuration."""
    fields = dict(config["evaluation"])
    return EvaluationOptions(**fields | {"attributions": tuple(fields["attributions"])})


@contextmanager
def evaluation_progress(title: str) -> Iterator[Progress | None]:
    """Show a bar in the first process while a model is evaluated; explain exhausted memory."""
    bar = progress(f"evaluate {title}") if is_main_process() else nullcontext()
    with bar as show, translate_oom("the evaluation", ["eval_batch_size", "eval_images"]):
        yield show


PATIENCE = timedelta(days=7)
"""To wait for the slowest process; torchrun itself ends all others if one fails."""


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """Meet the processes that torchrun started; refuse those of another launcher."""
    launcher = started_outside()
    if launcher is None:
        yield ALONE
        return
    if launcher != "torchrun":
        raise InputError(
            f"an evaluation runs in one process or those of torchrun, found several of {launcher}; "
            "expected srun torchrun ... -m scaat evaluate with one task a node"
        )
    # Only results are exchanged, which are on the CPU.
    group: Any = None
    if distributed.is_initialized():  # by Lightning, perhaps for GPUs and with less patience
        group = distributed.new_group(backend="gloo", timeout=PATIENCE)
    else:
        distributed.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), group)
    finally:
        distributed.destroy_process_group(group)


def evaluation_device(accelerator: str) -> torch.device:
    """Return where to evaluate, given Lightning's accelerator for training."""
    if accelerator == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def measure_run(
    folder: Path,
    splits: DataSplits,
    options: EvaluationOptions,
    *,
    method: str,
    config: Mapping[str, Any],
    random_label_model: nn.Module | None = None,
    processes: Processes = ALONE,
) -> Measured:
    """Evaluate the model that was trained in ``folder`` with the resolved ``config``."""
    with evaluation_progress(method) as show:
        return measure_trained(
            folder,
            splits,
            options,
            title=method,
            config={**config, "objective": config["objectives"].get(method, {})},
            device=evaluation_device(config["training"]["accelerator"]),
            random_label_model=random_label_model,
            progress=show,
            processes=processes,
        )


def write_rows(
    folder: Path, measured: Sequence[Measured], config: Mapping[str, Any], accelerator: str
) -> None:
    """Write the results files."""
    write_measured(
        folder,
        measured,
        settings=config,
        environment=environment(evaluation_device(accelerator)) | {"command": command_line()},
    )


def show_report(folder: Path, *others: Path, out: Path | None = None) -> Result:
    """Make one report of the results in some folders, print its table and return its rows.

    By default it is beside the first folder's results.
    """
    results = read_results(folder, *others)
    with console().status("Writing the report ..."):
        page = write_report(results, find_results(folder) if out is None else out)
    console(stderr=False).print(terminal_table(results))
    say(*(line for each in results.comparisons for line in lattice_lines(each)))
    say(f"Report: {page}")
    names = ("data", "model", "method", "seed", "attribution")
    rows = [  # as in results.json, without settings and curves
        {
            **{name: getattr(row, name) for name in names},
            **{key: value and asdict(value) for key, value in row.metrics.items()},
            "train_seconds": row.train_seconds,
            "cost_ratio": row.cost_ratio,
        }
        for row in results.rows
    ]
    return {"report": str(page), "rows": rows}


@if_interrupted("every file of the report is whole; the same command writes it again")
def report(runs: tuple[Path, ...], out: Path | None) -> Result:
    """Make tables, figures and report.html from the results files in the folders RUN."""
    with ExitStack() as stack:
        folders: list[Path] = []
        for run in runs:
            if is_packed(run):
                place = stack.enter_context(TemporaryDirectory())
                folders += unpack(run, Path(place))
            else:
                folders.append(run)
        if out is None and folders != list(runs[:1]):
            raise InputError(
                f"the report of {len(folders)} runs needs a folder of its own, expected --out"
            )
        return show_report(*folders, out=out)


def resolved(command: str, config: Mapping[str, Any], methods: Sequence[str]) -> dict[str, Any]:
    """Return a configuration with its command, and of the methods only those that are used."""
    objectives = {name: config["objectives"].get(name, {}) for name in methods}
    return {"command": command, **config, "objectives": objectives}


def command_line() -> str:
    """Return the command as it was typed, without the interpreter's path."""
    return " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])


def show_plan(
    splits: DataSplits,
    model: Classifier,
    objectives: Mapping[str, dict[str, Any]],
    options: TrainingOptions,
) -> Result | None:
    """Print the plan of a training from ``model`` by each method, in the first process."""
    if not is_main_process():
        return None
    plans = {}
    for method, fields in objectives.items():
        with console().status(f"Trying {method} ..."):
            plans[method] = plan_training(splits, model, method, fields, options)
    first = next(iter(plans.values()))
    total = sum(weight.numel() for weight in model.parameters())
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    memory = peak_memory(first.device)
    accumulated = f" x {options.accumulate} accumulated" if options.accumulate > 1 else ""
    processes = f" x {first.processes} processes" if first.processes > 1 else ""
    say(
        f"Model: {options.model}, {total:,} weights, {trained:,} of them trained",
        f"Step: {options.batch_size} images{accumulated}{processes}, {first.precision} on "
        f"{first.device}",
        f"Length: {options.epochs} epochs, {first.optimizer_steps:,} steps",
        f"Memory: {'unknown' if memory is None else f'{memory / 2**30:.2f} GiB'} at the peak of "
        + ("these trials" if first.device == "cuda" else "this process, data included"),
    )
    rows: list[tuple[str, ...] | None] = [
        (method, f"{plan.passes:.1f}", f"{plan.step_seconds:.3g}", seconds_text(plan.seconds))
        for method, plan in plans.items()
    ]
    if len(plans) > 1:
        whole = sum(plan.seconds for plan in plans.values())
        rows += [None, ("together", "", "", seconds_text(whole))]
    heads = ["Method", "Passes a step", "Seconds a step", "Training"]
    console(stderr=False).print(terminal_grid(heads, rows))
    say("Times are of this machine as busy as it is now, without validation and evaluation.")
    return {
        "model": options.model,
        "weights": total,
        "trained_weights": trained,
        "batch_size": options.batch_size,
        "epochs": options.epochs,
        "peak_memory_bytes": memory,
        "methods": {
            method: {**asdict(plan), "seconds": plan.seconds} for method, plan in plans.items()
        },
    }
