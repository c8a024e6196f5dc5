"""What the commands share: configuration, evaluation with progress, rows of results."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from scaat.cli.options import config_option, dataclass_options, objective_options
from scaat.data import DataOptions, DataSplits, load_data
from scaat.evaluation import Evaluation, EvaluationOptions, environment, evaluate, write_results
from scaat.models import find_model
from scaat.objectives import build_objective
from scaat.report import read_results, terminal_table, write_report
from scaat.training import TrainedModel, TrainingOptions

EVALUATION_PREFIX = "eval-"


def run_options(methods: Sequence[str]) -> list[click.Parameter]:
    """Return the options of a command that trains: data, training and each method's."""
    return [
        config_option(),
        click.Option(
            ["--seed"],
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Seed of the split, the weights and every random draw.",
        ),
        *dataclass_options("data", DataOptions),
        *dataclass_options("training", TrainingOptions),
        *(option for method in methods for option in objective_options(method)),
    ]


def output_options() -> list[click.Parameter]:
    """Return ``--out`` and ``--resume``."""
    return [
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path),
            required=True,
            help="Folder for everything that is written; new or empty.",
        ),
        click.Option(
            ["--resume"],
            is_flag=True,
            help="Go on with the run in --out, which must have the same options.",
        ),
    ]


def evaluation_options() -> list[click.Option]:
    """Return an option ``--eval-NAME`` for each field of `EvaluationOptions`."""
    return dataclass_options("evaluation", EvaluationOptions, EVALUATION_PREFIX)


def load_splits(config: Mapping[str, Any]) -> DataSplits:
    """Load the data that a configuration names, and say what was found."""
    options = DataOptions(**config["data"])
    with console().status(f"Loading {options.name or options.data} ..."):
        splits = load_data(options, seed=config["seed"])
    height, width = splits.train.image_size
    console().print(
        f"{splits.name}: {len(splits.train)} training, {len(splits.validation)} validation and "
        f"{len(splits.test)} test images of {width} x {height} pixels in "
        f"{splits.train.num_classes} classes"
    )
    return splits


def read_training_options(config: Mapping[str, Any]) -> TrainingOptions:
    """Return the training part of a configuration.

    Refuses here what is wrong with the model or a method, before anything is loaded or written.
    """
    options = TrainingOptions(**config["training"])
    find_model(options.model)
    for method, fields in config["objectives"].items():
        build_objective(method, 1, fields)
    return options


def read_evaluation_options(config: Mapping[str, Any]) -> EvaluationOptions:
    """Return the evaluation part of a configuration."""
    fields = dict(config["evaluation"])
    return EvaluationOptions(**fields | {"attributions": tuple(fields["attributions"])})


def evaluate_with_progress(
    trained: TrainedModel,
    splits: DataSplits,
    options: EvaluationOptions,
    *,
    seed: int,
    accelerator: str,
    title: str,
) -> Evaluation:
    """Evaluate a trained model on the test images, with a progress bar.

    It is left on the device where it was measured: a GPU unless the accelerator says CPU.
    """
    device = evaluation_device(accelerator)
    model = trained.model.to(device)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console()) as progress:
        task = progress.add_task(f"evaluate {title}", total=None)

        def show(name: str, done: int, total: int) -> None:
            progress.update(
                task, description=f"evaluate {title}, {name}", completed=done, total=total
            )

        return evaluate(model, splits.test, options, seed=seed, device=device, progress=show)


def evaluation_device(accelerator: str) -> torch.device:
    """Return where to evaluate, given Lightning's accelerator for training."""
    cuda = accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


def result_rows(
    evaluation: Evaluation,
    trained: TrainedModel,
    splits: DataSplits,
    *,
    method: str,
    config: Mapping[str, Any],
    standard_seconds: float | None,
) -> list[dict[str, Any]]:
    """Return one row of ``results.json`` for each saliency method.

    Args:
        evaluation: Of the trained model.
        trained: The model and what its training took.
        splits: The data.
        method: How the model was trained.
        config: The run's resolved configuration.
        standard_seconds: Training seconds of ``standard`` in the same run, the base of the
            cost ratio; None if it was not trained.
    """
    seconds = trained.summary["train_seconds"]
    settings = {
        "objective": config["objectives"].get(method, {}),
        "training": config["training"],
        "trained": trained.summary,
        "data": splits.settings,
        "evaluation": evaluation.settings,
    }
    return [
        {
            "data": splits.name,
            "model": config["training"]["model"],
            "method": method,
            "attribution": name,
            "seed": config["seed"],
            **result.metrics,
            "train_seconds": seconds,
            "cost_ratio": seconds / standard_seconds if standard_seconds else None,
            "settings": settings,
        }
        for name, result in evaluation.results.items()
    ]


def write_and_show(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    evaluations: Sequence[Evaluation],
    classes: Sequence[str],
    config: Mapping[str, Any],
) -> None:
    """Write the results files and the report, and print the comparison."""
    results = [result for evaluation in evaluations for result in evaluation.results.values()]
    write_results(
        folder,
        rows=rows,
        per_image=[result.per_image for result in results],
        examples=evaluations[0].examples,
        example_maps=[result.example_maps for result in results],
        environment=environment(evaluation_device(config["training"]["accelerator"]))
        | {"command": command_line()},
        classes=classes,
        settings=config,
    )
    show_report(folder)


def show_report(folder: Path) -> None:
    """Make the report of a folder of results, and print its table."""
    with console().status("Writing the report ..."):
        report = write_report(folder)
    console(stderr=False).print(terminal_table(read_results(folder)))
    console(stderr=False).print(f"Report: {report}", soft_wrap=True, highlight=False)


def resolved(command: str, config: Mapping[str, Any], methods: Sequence[str]) -> dict[str, Any]:
    """Return a configuration with its command, and of the methods only those that are used."""
    objectives = {name: config["objectives"].get(name, {}) for name in methods}
    return {"command": command, **config, "objectives": objectives}


def command_line() -> str:
    """Return the command as it was typed, without the interpreter's path."""
    return " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])


def console(*, stderr: bool = True) -> Console:
    """Return the console for progress (standard error) or results (standard output)."""
    return Console(stderr=stderr)
