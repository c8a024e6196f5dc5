"""``--dry-run``: what a training would cost, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from scaat.cli.output import Result, console
from scaat.cost.plan import Plan, peak_memory, plan_training
from scaat.data import DataSplits
from scaat.display.labels import seconds_text
from scaat.models import Classifier
from scaat.training import TrainingOptions


def show_plan(
    splits: DataSplits,
    model: Classifier,
    objectives: Mapping[str, dict[str, Any]],
    options: TrainingOptions,
) -> Result:
    """Print the plan of a training by each of some methods, and return it.

    Args:
        splits: The data.
        model: As each training would start it.
        objectives: The methods' options by name.
        options: Of the training.
    """
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
    lines = (
        f"Model: {options.model}, {total:,} weights, {trained:,} of them trained",
        f"Step: {options.batch_size} images{accumulated}{processes}, {first.precision} on "
        f"{first.device}",
        f"Length: {options.epochs} epochs, {first.optimizer_steps:,} steps",
        f"Memory: {'unknown' if memory is None else f'{memory / 2**30:.2f} GiB'} at the peak of "
        + ("these trials" if first.device == "cuda" else "this process, data included"),
    )
    out = console(stderr=False)
    for line in lines:
        out.print(line, soft_wrap=True, highlight=False, markup=False)
    out.print(_table(plans))
    out.print(
        "Times are of this machine as busy as it is now, without validation and evaluation.",
        soft_wrap=True,
        highlight=False,
    )
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


def _table(plans: Mapping[str, Plan]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Method")
    for name in ("Passes a step", "Seconds a step", "Training"):
        table.add_column(name, justify="right")
    for method, plan in plans.items():
        table.add_row(
            method, f"{plan.passes:.1f}", f"{plan.step_seconds:.3g}", seconds_text(plan.seconds)
        )
    if len(plans) > 1:
        whole = sum(plan.seconds for plan in plans.values())
        table.add_section()
        table.add_row("together", "", "", seconds_text(whole))
    return table
