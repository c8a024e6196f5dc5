"""What a run of ``scaat train`` or ``scaat compare`` has to share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import torch
from torch import Tensor

from scaat.data import to_float
from scaat.data.registry import datasets
from scaat.errors import InputError, unknown
from scaat.report import Comparison, find_results, read_results
from scaat.report.reading import FILE, Entry
from scaat.sharing.files import SharedModel
from scaat.training import load_trained, read_config
from scaat.training.fitting import MODEL
from scaat.training.folder import CONFIG


def data_name(name: str) -> str:
    """Return the name of a data set without the folders that lead to it.

    ``folder:/home/ann/moles`` becomes ``folder:moles``; names that are no path stay.
    """
    kind, colon, place = name.partition(":")
    if not colon or kind not in datasets or (kind == "hf" and not PurePath(place).is_absolute()):
        return name
    return f"{kind}:{_last(place)}"


def public_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run's configuration says of data, training and seed, without paths."""
    data, training = dict(config.get("data") or {}), dict(config.get("training") or {})
    for key in ("data", "name"):
        if isinstance(data.get(key), str):
            data[key] = data_name(data[key])
    if isinstance(training.get("weights"), str):
        training["weights"] = _last(training["weights"])
    return {"seed": config.get("seed"), "data": data, "training": training}


def public_training(training: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a training's summary, in which pretrained weights' file has no folders."""
    weights = (config.get("training") or {}).get("weights")
    said = training.get("weights")
    if not (isinstance(weights, str) and isinstance(said, str)):
        return dict(training)
    return {**training, "weights": said.replace(repr(weights), repr(_last(weights)))}


def _last(path: str) -> str:
    return PureWindowsPath(path).name or path  # which takes both kinds of slash


FIGURES = "figures"


@dataclass(frozen=True, eq=False)
class Run:
    """One model of a run, and what the run recorded.

    Attributes:
        model: The model.
        config: The run's resolved configuration.
        comparison: What was measured of the model and of those trained beside it, or None.
    """

    model: SharedModel
    config: Mapping[str, Any]
    comparison: Comparison | None

    @property
    def images(self) -> Tensor | None:
        """Return the test images whose maps the run shows, in [0, 1] (k, C, H, W), or None."""
        if self.comparison is None:
            return None
        examples = self.comparison.sources[0].examples()
        return None if examples is None else to_float(torch.from_numpy(examples.images))

    @property
    def figures(self) -> Path | None:
        """Return the folder of the report's figures, where there is a report."""
        if self.comparison is None:
            return None
        folder = self.comparison.sources[0].folder / FIGURES
        return folder if folder.is_dir() else None


def open_run(folder: Path | str, method: str | None = None) -> Run:
    """Read one model of a run, with the results if there are any.

    Args:
        folder: Of a run of ``scaat train`` or ``scaat compare``.
        method: Which of a comparison's models; None where there is one.

    Raises:
        InputError: The folder holds no such run, the method is not in it or has to be named, or a
            file is damaged.
    """
    folder = Path(folder)
    if (folder / MODEL).is_file() and not (folder / CONFIG).is_file():
        raise InputError(
            f"folder {str(folder)!r} has a model but no {CONFIG}; expected the folder of the whole "
            "run, and which method of a comparison"
        )
    config = read_config(folder)
    method, place = _model(folder, config, method)
    trained = load_trained(place)
    if trained.multilabel:
        raise InputError(f"the model in {str(place)!r} has several labels; expected one an image")
    # Runs of versions that did not record the names have numbers.
    numbers = map(str, range(trained.architecture["num_classes"]))
    objectives = Entry(folder / CONFIG, "", config).entry("objectives")
    model = SharedModel(
        trained.model,
        trained.architecture,
        trained.classes or tuple(numbers),
        method,
        objectives.entry(method).values,
        trained.summary,
        trained.proportion,
    )
    return Run(model, config, _comparison(folder, model))


def _model(folder: Path, config: dict[str, Any], method: str | None) -> tuple[str, Path]:
    """Return the method's name and the folder of its model."""
    command = config.get("command")
    if command == "compare":
        known = list(Entry(folder / CONFIG, "", config).texts("methods"))
        if method is None and len(known) > 1:
            raise InputError(
                f"the comparison in {str(folder)!r} has several models; expected a method: "
                f"{', '.join(known)}"
            )
        chosen = known[0] if method is None and known else method
        place = folder / "models" / str(chosen)
    elif command == "train":
        known = [Entry(folder / CONFIG, "", config).text("method")]
        chosen, place = method or known[0], folder
    else:
        raise InputError(
            f"{str(folder)!r} holds a run of 'scaat {command}', expected one of 'scaat train' or "
            "'scaat compare'"
        )
    if chosen not in known:
        raise unknown(f"method of {str(folder)!r}", str(chosen), known)
    return chosen, place


def _comparison(folder: Path, model: SharedModel) -> Comparison | None:
    """Return the results that hold this very model's, or None where nothing was measured."""
    results = find_results(folder)
    if not (results / FILE).is_file():
        return None
    for comparison in read_results(folder).comparisons:
        if model.method in comparison.methods:
            # Results outlive a training that was repeated in the same folder.
            if comparison.model_row(model.method).settings.get("trained") != dict(model.training):
                break
            return comparison
    raise InputError(
        f"{str(results / FILE)!r} holds no results of the model in {str(folder)!r}; expected them, "
        "or no results at all: measure the model again"
    )
