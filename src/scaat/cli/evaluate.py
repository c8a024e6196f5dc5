"""``scaat evaluate``: measure a trained model, ours or any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from torch import nn

from scaat.cli.options import gather
from scaat.cli.output import Result, if_interrupted
from scaat.cli.runs import (
    evaluation_device,
    evaluation_progress,
    load_splits,
    measure_run,
    read_evaluation_options,
    write_and_show,
)
from scaat.cli.types import Statistics
from scaat.data import DataSplits
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.evaluation import evaluate as measure
from scaat.evaluation.trained import Measured
from scaat.models import load_model
from scaat.report.reading import FILE as RESULTS
from scaat.sharing import SharedModel, is_shared, load_shared
from scaat.training import claimed_folder, load_trained, read_config
from scaat.training.folder import CONFIG

DEVICE = "auto"
MODELS = "models"  # the folder of a comparison's models
OF_NETWORK = ("model", "normalisation")
FOR_CHECKPOINT = (*OF_NETWORK, "title", "seed")


@if_interrupted("nothing was written")
def evaluate(
    source: Path,
    out: Path | None,
    random_labels_run: Path | None,
    model: str | None,
    normalisation: Statistics | None,
    title: str | None,
    seed: int,
    **parameters: Any,
) -> Result:
    """Measure the saliency maps of a trained model."""
    gathered = gather(parameters)
    data, measured = gathered.pop("data"), gathered
    options = read_evaluation_options(measured)
    if is_shared(source):
        _refuse_options_of_checkpoints(OF_NETWORK, of_data=False)
        if random_labels_run is not None or out is None:
            wrong = "needs --out" if out is None else "takes no --random-labels-run"
            raise InputError(f"shared model {str(source)!r} {wrong}")
        known = {"command": "evaluate", "shared": str(source), "title": title, "seed": seed}
        return _evaluate_checkpoint(source, out, options, {**known, "data": data, **measured})
    if source.is_dir():
        _refuse_options_of_checkpoints(FOR_CHECKPOINT, of_data=True)
        return _evaluate_run(source, out, random_labels_run, options, measured)
    if model is None or normalisation is None or out is None:
        given = {"--model": model, "--normalisation": normalisation, "--out": out}
        missing = [flag for flag, value in given.items() if value is None]
        raise InputError(f"checkpoint {str(source)!r} needs {' and '.join(missing)}")
    if random_labels_run is not None:
        raise InputError("--random-labels-run goes with the folder of a run, found a checkpoint")
    config = {
        "command": "evaluate",
        "checkpoint": str(source),
        "model": model,
        "normalisation": normalisation,
        "title": title or source.stem,
        "seed": seed,
        "data": data,
        **measured,
    }
    return _evaluate_checkpoint(source, out, options, config)


def _evaluate_run(
    run: Path,
    out: Path | None,
    random_labels_run: Path | None,
    options: EvaluationOptions,
    measured: dict[str, Any],
) -> Result:
    config = _config_of(run, "SOURCE")
    folder = run / "evaluation" if out is None else out
    random_labels = None
    if random_labels_run is not None:
        other = _config_of(random_labels_run, "--random-labels-run")
        if not other["data"].get("random_labels"):
            raise InputError(
                f"the run in {str(random_labels_run)!r} was trained on the data's own labels, "
                "expected one of 'scaat train --random-labels'"
            )
        random_labels = load_trained(random_labels_run).model
    load_trained(run)  # a damaged file is refused before the data is loaded
    config = {**config, **measured, "command": "evaluate"}
    if random_labels_run is not None:
        config["random_labels_run"] = str(random_labels_run)
    splits = load_splits(config)
    with _claimed(folder, config):
        measured_run = measure_run(
            run,
            splits,
            options,
            method=config["method"],
            config=config,
            random_label_model=random_labels,
        )
        return _written(folder, measured_run, splits, config, config["training"]["accelerator"])


def _evaluate_checkpoint(
    checkpoint: Path, out: Path, options: EvaluationOptions, config: dict[str, Any]
) -> Result:
    shared = load_shared(checkpoint) if "shared" in config else None
    if shared is not None:
        title = config["title"] or shared.method or checkpoint.name
        config = {**config, "model": shared.name, "title": title}
    splits = load_splits(config)
    network = _network(checkpoint, splits, config) if shared is None else shared.model
    origin = {key: config[key] for key in ("checkpoint", "normalisation") if key in config}
    settings: dict[str, Any] = {"checkpoint": origin}
    if shared is not None:
        _refuse_other_data(shared, splits, checkpoint)
        settings = {"objective": dict(shared.options), "trained": dict(shared.training)}
    with _claimed(out, config):
        device = evaluation_device(DEVICE)
        with evaluation_progress(config["title"]) as progress:
            evaluation = measure(
                network.to(device),
                splits.test,
                options,
                seed=config["seed"],
                device=device,
                progress=progress,
            )
        measured = Measured(
            evaluation,
            identity={
                "data": splits.name,
                "model": config["model"],
                "method": config["title"],
                "seed": config["seed"],
            },
            train_seconds=None if shared is None else shared.train_seconds,
            settings={**settings, "data": splits.settings, "evaluation": evaluation.settings},
        )
        return _written(out, measured, splits, config, DEVICE)


def _network(checkpoint: Path, splits: DataSplits, config: dict[str, Any]) -> nn.Module:
    mean, std = config["normalisation"]
    return load_model(
        checkpoint,
        config["model"],
        num_classes=splits.test.num_classes,
        image_size=splits.test.image_size,
        mean=mean,
        std=std,
    )


def _refuse_other_data(shared: SharedModel, splits: DataSplits, folder: Path) -> None:
    for what, own, expected in (
        ("classes", splits.test.classes, shared.classes),
        ("image size", splits.test.image_size, shared.image_size),
        ("number of channels", splits.test.channels, shared.channels),
    ):
        if own != expected:
            raise InputError(
                f"data {splits.name!r} does not fit the shared model {str(folder)!r}: its {what} "
                f"is {own!r:.80}, expected {expected!r:.80}"
            )


@contextmanager
def _claimed(folder: Path, config: dict[str, Any]) -> Iterator[None]:
    """Hold the folder for the results, and give it back if none come of it."""

    def left() -> str:
        if (folder / RESULTS).is_file():
            return f"the results are written, and scaat report {folder} makes the report"
        if folder.exists() and any(folder.iterdir()):
            return f"{folder} holds a part of the results: give another --out, or remove it"
        return "nothing was written"

    with if_interrupted(left), claimed_folder(folder, config):
        yield


def _written(
    folder: Path,
    measured: Measured,
    splits: DataSplits,
    config: dict[str, Any],
    accelerator: str,
) -> Result:
    result = write_and_show(folder, [measured], splits.test.classes, config, accelerator)
    return {"out": str(folder), **result}


def _config_of(run: Path, hint: str) -> dict[str, Any]:
    comparison = run.parent.parent
    if not (run / CONFIG).exists() and run.parent.name == MODELS and (comparison / CONFIG).exists():
        config = read_config(comparison)
        config = {name: value for name, value in config.items() if name != "methods"}
        return {**config, "method": run.name}
    config = read_config(run)
    if config.get("command") != "train":
        raise click.BadParameter(
            f"{str(run)!r} holds a run of 'scaat {config.get('command')}', expected one of "
            f"'scaat train' (a comparison's models lie in its folder {MODELS}/)",
            param_hint=hint,
        )
    return config


def _refuse_options_of_checkpoints(names: Sequence[str], *, of_data: bool) -> None:
    """Refuse what the folder of a model says itself: it would be ignored."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and (name in names or (of_data and name.startswith("data."))):
            raise InputError(
                f"{parameter.opts[0]} goes with a checkpoint file; a model's folder has its own"
            )
