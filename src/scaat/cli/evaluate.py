"""``scaat evaluate``: measure a trained model, ours or any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from torch import Tensor, nn

from scaat.cli.options import gather
from scaat.cli.output import Result, if_interrupted
from scaat.cli.runs import (
    evaluation_device,
    evaluation_progress,
    joined_processes,
    load_splits,
    measure_run,
    read_evaluation_options,
    show_report,
    write_rows,
)
from scaat.cli.types import Statistics
from scaat.data import DataOptions, DataSplits, ImageSet
from scaat.data.image_set import absent_and_present
from scaat.data.loading import find_source
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.evaluation import evaluate as measure
from scaat.evaluation.processes import Processes
from scaat.evaluation.trained import Measured
from scaat.files import new_folder
from scaat.functional.logits import is_multilabel
from scaat.models import load_model
from scaat.models.outputs import SelectedOutputs, count_outputs, read_outputs
from scaat.sharing import SharedModel, is_shared, load_shared
from scaat.training import load_trained, open_folder, read_config
from scaat.training.devices import is_main_process
from scaat.training.folder import CONFIG

DEVICE = "auto"
MODELS = "models"  # the folder of a comparison's models


@if_interrupted("nothing was written")
def evaluate(
    source: Path,
    out: Path | None,
    random_labels_run: Path | None,
    model: str | None,
    normalisation: Statistics | None,
    title: str | None,
    seed: int,
    split: str,
    classes_file: Path | None,
    **parameters: Any,
) -> Result | None:
    """Measure the saliency maps of a trained model."""
    measured = gather(parameters)
    data = measured.pop("data")
    options = read_evaluation_options(measured)
    shared = is_shared(source)
    if source.is_dir() and not shared:
        _refuse_options_of_checkpoints("title", "seed", "split", "classes_file", of_data=True)
        return _evaluate_run(source, out, random_labels_run, options, measured)
    if shared:
        _refuse_options_of_checkpoints(of_data=False)
    kind = "shared model" if shared else "checkpoint"
    needed = {} if shared else {"--model": model, "--normalisation": normalisation}
    missing = [flag for flag, value in {**needed, "--out": out}.items() if value is None]
    if out is None or missing:
        raise InputError(f"{kind} {str(source)!r} needs {' and '.join(missing)}")
    if random_labels_run is not None:
        raise InputError(
            f"{kind} {str(source)!r} takes no --random-labels-run, which goes with runs"
        )
    origin: dict[str, Any] = {"shared": str(source)}
    if not shared:
        origin = {"checkpoint": str(source), "model": model, "normalisation": normalisation}
        title = title or source.stem
    config = {"command": "evaluate", **origin, "title": title, "seed": seed, "split": split}
    config |= {"classes_file": None if classes_file is None else str(classes_file), "data": data}
    return _evaluate_checkpoint(source, out, options, {**config, **measured})


def _evaluate_run(
    run: Path,
    out: Path | None,
    random_labels_run: Path | None,
    options: EvaluationOptions,
    measured: dict[str, Any],
) -> Result | None:
    config = {**_config_of(run, "SOURCE"), **measured, "command": "evaluate"}
    random_labels = None
    if random_labels_run is not None:
        other = _config_of(random_labels_run, "--random-labels-run")
        if not other["data"].get("random_labels"):
            raise InputError(
                f"the run in {str(random_labels_run)!r} was trained on the data's own labels, "
                "expected one of 'scaat train --random-labels'"
            )
        random_labels = load_trained(random_labels_run).model
        config["random_labels_run"] = str(random_labels_run)
    load_trained(run)  # a damaged file is refused before the data is loaded
    measured_by = partial(
        measure_run,
        run,
        load_splits(config),
        options,
        method=config["method"],
        config=config,
        random_label_model=random_labels,
    )
    folder = run / "evaluation" if out is None else out
    return _into(folder, measured_by, config, config["training"]["accelerator"])


def _evaluate_checkpoint(
    checkpoint: Path, out: Path, options: EvaluationOptions, config: dict[str, Any]
) -> Result | None:
    shared = load_shared(checkpoint) if "shared" in config else None
    if shared is not None:
        title = config["title"] or shared.method or checkpoint.name
        config = {**config, "model": shared.name, "title": title}
    try:
        splits = load_splits(config, test_only=True, everything=config["split"] == "all")
    except InputError:  # of one class it says that there is no split, whose remedy does not help
        held = find_source(DataOptions(**config["data"]), test_only=True)
        _refuse_one_class(config, held.classes, held.train.labels)
        raise
    _refuse_one_class(config, splits.test.classes, splits.test.labels)
    network, test = _network(checkpoint, shared, splits, config)
    settings: dict[str, Any]
    if shared is None:
        settings = {"checkpoint": {key: config[key] for key in ("checkpoint", "normalisation")}}
    else:
        settings = {"objective": dict(shared.options), "trained": dict(shared.training)}

    def measured_by(processes: Processes) -> Measured:
        device = evaluation_device(DEVICE)
        with evaluation_progress(config["title"]) as progress:
            evaluation = measure(
                network.to(device),
                test,
                options,
                seed=config["seed"],
                device=device,
                progress=progress,
                processes=processes,
            )
        return Measured(
            evaluation,
            identity={
                "data": evaluation.name_of(splits.name),
                "model": config["model"],
                "method": config["title"],
                "seed": config["seed"],
            },
            train_seconds=None if shared is None else shared.train_seconds,
            settings={**settings, "data": splits.settings, "evaluation": evaluation.settings},
        )

    return _into(out, measured_by, config, DEVICE)


def _refuse_one_class(config: dict[str, Any], classes: Sequence[str], labels: Tensor) -> None:
    # Which of a network's outputs the class is cannot be said.
    if len(classes) == 1 and not is_multilabel(labels) and (labels >= 0).any():
        data = config["data"]["name"] or config["data"]["data"]
        raise InputError(
            f"data {data!r} have the class {classes[0]!r} alone; expected two or more, or the "
            "images without a class folder, which are measured without labels"
        )


def _network(
    path: Path, shared: SharedModel | None, splits: DataSplits, config: dict[str, Any]
) -> tuple[nn.Module, ImageSet]:
    """Return the model and the test images, whose classes are the model's outputs."""
    test, file = splits.test, config["classes_file"]
    names = None if shared is None else shared.classes
    if shared is None:
        counted = file is not None or not test.has_labels
        network, count = _checkpoint_network(path, test, config, counted=counted)
    else:
        network, count = shared.model, len(shared.classes)
        _refuse_other_data(shared, splits, path, classes=test.has_labels and file is None)
    outputs = list(range(count))
    if file is not None:
        outputs = read_outputs(Path(file), count, names)
        # One output is one label of several, absent or present.
        if test.has_labels and max(2, len(outputs)) != test.num_classes:
            raise InputError(
                f"classes file {file!r} names {len(outputs)} outputs and the data have "
                f"{test.num_classes} classes; expected one line for each of "
                f"{', '.join(test.classes):.80}"
            )
        network = SelectedOutputs(network, outputs)
    if not test.has_labels:
        known = tuple(names[k] if names else str(k) for k in outputs)
        test = replace(test, classes=known if len(known) > 1 else absent_and_present(*known))
    return network, test


def _checkpoint_network(
    path: Path, test: ImageSet, config: dict[str, Any], *, counted: bool
) -> tuple[nn.Module, int]:
    """Return a checkpoint's network and its outputs: the data's classes, or as ``counted``."""
    name, size = config["model"], test.image_size
    mean, std = config["normalisation"]
    count = count_outputs(path, name, size) if counted else test.num_classes
    try:
        network = load_model(path, name, num_classes=count, image_size=size, mean=mean, std=std)
    except InputError as error:
        held = count
        with suppress(InputError):
            held = count_outputs(path, name, size)
        if held == count:
            raise
        raise InputError(
            f"{error}; its {held} outputs are not the {count} classes of the data: say which are "
            "with --classes-file"
        ) from error
    return network, count


def _refuse_other_data(
    shared: SharedModel, splits: DataSplits, folder: Path, *, classes: bool
) -> None:
    for what, own, expected in (
        *((("classes", splits.test.classes, shared.classes),) if classes else ()),
        ("image size", splits.test.image_size, shared.image_size),
        ("number of channels", splits.test.channels, shared.channels),
    ):
        if own != expected:
            raise InputError(
                f"data {splits.name!r} does not fit the shared model {str(folder)!r}: its {what} "
                f"is {own!r:.80}, expected {expected!r:.80}"
            )


def _into(
    folder: Path,
    measured_by: Callable[..., Measured],
    config: dict[str, Any],
    accelerator: str,
) -> Result | None:
    """Measure, and in the first process write the results, whole or not at all, and show them."""
    first = is_main_process()
    with (
        joined_processes() as processes,
        new_folder(folder) if first else nullcontext(folder) as part,
    ):
        measured = measured_by(processes=processes)
        if not first:
            return None
        open_folder(part, config, resume=False)
        write_rows(part, [measured], config, accelerator)
    with if_interrupted(f"the results are written, and scaat report {folder} makes the report"):
        return {"out": str(folder), **show_report(folder)}


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


def _refuse_options_of_checkpoints(*names: str, of_data: bool) -> None:
    """Refuse what the folder of a model says itself: it would be ignored."""
    context = click.get_current_context()
    refused = ("model", "normalisation", *names)
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and (name in refused or (of_data and name.startswith("data."))):
            raise InputError(
                f"{parameter.opts[0]} goes with a checkpoint file; a model's folder has its own"
            )
