"""``scaat train``: one model, one method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scaat.cli.options import gather
from scaat.cli.output import Result, if_interrupted, mode, say
from scaat.cli.runs import (
    check_regions,
    load_splits,
    read_training_options,
    resolved,
    show_plan,
)
from scaat.training import fit, open_folder
from scaat.training.architecture import starting_model
from scaat.training.checkpoint import checkpoints, step_of
from scaat.training.devices import is_main_process
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
    splits = load_splits(config)
    check_regions(config, splits)
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
    """Say how to continue an interrupted training."""
    saved = checkpoints(out)
    if not saved:
        return "there is no checkpoint yet; the same command with --resume begins again"
    step = step_of(saved[-1])
    return f"the same command with --resume continues from the checkpoint after step {step}"
