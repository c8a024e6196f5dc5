"""What the commands share: configuration, evaluation with progress, rows of results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich.progress
import torch
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn

from scaat.cli.output import Result, console
from scaat.data import DataOptions, DataSplits, load_data
from scaat.evaluation import EvaluationOptions, Progress, environment
from scaat.evaluation.trained import Measured, measure_trained, write_measured
from scaat.models import find_adapter, find_model
from scaat.objectives import build_objective
from scaat.oom import translate_oom
from scaat.report import Row, find_results, read_results, terminal_table, write_report
from scaat.training import TrainingOptions
from scaat.training.devices import check_accelerator, check_compile, is_main_process, plan_launch


def load_splits(config: Mapping[str, Any]) -> DataSplits:
    """Load the data that a configuration names, and say what was found."""
    options = DataOptions(**config["data"])
    with console().status(f"Loading {options.name or options.data} ..."):
        splits = load_data(options, seed=config["seed"])
    height, width = splits.train.image_size
    if is_main_process():
        console().print(
            f"{splits.name}: {len(splits.train)} training, {len(splits.validation)} validation "
            f"and {len(splits.test)} test images of {width} x {height} pixels in "
            f"{splits.train.num_classes} classes",
            soft_wrap=True,
        )
    return splits


def read_training_options(config: Mapping[str, Any]) -> TrainingOptions:
    """Return the training part of a configuration.

    Refuses here what is wrong with the model or a method, before anything is loaded or written.
    """
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
def evaluation_progress(title: str) -> Iterator[Progress]:
    """Show a progress bar while a model is evaluated, and tell it in words if memory runs out.

    Yields:
        What `scaat.evaluation.evaluate` calls as it proceeds.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=console()) as progress:
        task = progress.add_task(f"evaluate {title}", total=None)

        def show(name: str, done: int, total: int) -> None:
            progress.update(
                task, description=f"evaluate {title}, {name}", completed=done, total=total
            )

        with translate_oom("the evaluation", ["eval_batch_size", "eval_images"]):
            yield show


def evaluation_device(accelerator: str) -> torch.device:
    """Return where to evaluate, given Lightning's accelerator for training."""
    cuda = accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


def measure_run(
    folder: Path,
    splits: DataSplits,
    options: EvaluationOptions,
    *,
    method: str,
    config: Mapping[str, Any],
    random_label_model: nn.Module | None = None,
) -> Measured:
    """Evaluate the model that was trained in ``folder`` on the test images, with a progress bar.

    Args:
        folder: Of the model, as `scaat.training.fit` writes it.
        splits: The data.
        options: The protocol.
        method: How the model was trained.
        config: The run's resolved configuration.
        random_label_model: A model of the same kind trained on random labels, if there is one.
    """
    with evaluation_progress(method) as progress:
        return measure_trained(
            folder,
            splits,
            options,
            title=method,
            config={**config, "objective": config["objectives"].get(method, {})},
            device=evaluation_device(config["training"]["accelerator"]),
            random_label_model=random_label_model,
            progress=progress,
        )


def write_and_show(
    folder: Path,
    measured: Sequence[Measured],
    classes: Sequence[str],
    config: Mapping[str, Any],
    accelerator: str,
) -> Result:
    """Write the results files and the report, print the comparison and return it."""
    write_measured(
        folder,
        measured,
        classes=classes,
        settings=config,
        environment=environment(evaluation_device(accelerator)) | {"command": command_line()},
    )
    return show_report(folder)


def show_report(folder: Path, *others: Path, out: Path | None = None) -> Result:
    """Make one report of the results in some folders, print its table and return its rows.

    It goes to ``out``; one folder's own results are its place if not given.
    """
    results = read_results(folder, *others)
    with console().status("Writing the report ..."):
        report = write_report(results, find_results(folder) if out is None else out)
    output = console(stderr=False)
    output.print(terminal_table(results))
    output.print(f"Report: {report}", soft_wrap=True, highlight=False, markup=False)
    return {"report": str(report), "rows": [_row(row) for row in results.rows]}


def _row(row: Row) -> Result:
    """Return a row as in results.json, without its settings and curves."""
    names = ("data", "model", "method", "seed", "attribution")
    metrics = {key: value and asdict(value) for key, value in row.metrics.items()}
    return {
        **{name: getattr(row, name) for name in names},
        **metrics,
        "train_seconds": row.train_seconds,
        "cost_ratio": row.cost_ratio,
    }


def resolved(command: str, config: Mapping[str, Any], methods: Sequence[str]) -> dict[str, Any]:
    """Return a configuration with its command, and of the methods only those that are used."""
    objectives = {name: config["objectives"].get(name, {}) for name in methods}
    return {"command": command, **config, "objectives": objectives}


def command_line() -> str:
    """Return the command as it was typed, without the interpreter's path."""
    return " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
