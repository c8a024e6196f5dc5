"""One training and its evaluation, carried out once: a trial that is done is not done again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
import yaml
from lightning.pytorch.callbacks import Callback

from scaat.data import DataOptions, DataSplits
from scaat.errors import InputError, NonFiniteLossError
from scaat.evaluation import EvaluationOptions, Progress, environment
from scaat.evaluation.trained import measure_trained, write_measured
from scaat.files import write_json, write_text
from scaat.training import TrainingOptions, fit, is_finished, open_folder
from scaat.training.folder import CONFIG, read_config

Part = Literal["validation", "test"]
"""Which images of a data set the maps and the accuracy are measured on."""

RESULTS, FAILURE = "results.json", "failure.json"

Show = Callable[[str], AbstractContextManager[Progress | None]]
"""Given what is evaluated, a context that yields what `scaat.evaluation.evaluate` calls."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One training.

    Attributes:
        title: What the results call it; trials that differ in the seed alone share it.
        folder: Where it lies, below the study's folder; the same in every call of the study.
        config: As ``scaat train`` writes it (`trial_config`), so that every command that takes
            the folder of a run takes a trial's.
    """

    title: str
    folder: str
    config: Mapping[str, Any]

    @property
    def method(self) -> str:
        """Return the name of the objective."""
        return str(self.config["method"])


def trial_config(
    method: str,
    *,
    objective: Mapping[str, Any],
    data: DataOptions,
    training: TrainingOptions,
    seed: int,
) -> dict[str, Any]:
    """Return the configuration of one training, of plain values.

    Args:
        method: Name of the objective.
        objective: Its keyword arguments; those left out have their defaults.
        data: The data.
        training: Model, optimiser and processes.
        seed: Of the split, the weights and every random draw.
    """
    return {
        "command": "train",
        "method": method,
        "seed": seed,
        "data": asdict(data),
        "training": asdict(training),
        "objectives": {method: dict(objective)},
    }


def carry_out(
    trial: Trial,
    folder: Path,
    splits: DataSplits,
    evaluation: EvaluationOptions,
    *,
    part: Part,
    device: torch.device | str = "cpu",
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    show: Show = lambda _: nullcontext(),
    provenance: Mapping[str, Any] = MappingProxyType({}),
) -> list[Path]:
    """Train and evaluate, from wherever an earlier call was cut off.

    The run lies in ``folder``; the results of each saliency method in a folder of their own,
    ``folder/test/gradient``, so that a later study finds those that it shares with this one.
    Where these are there the model need not be: a study continues from its ``config.yaml`` and
    results, which are small, on a machine that never had its models, and that has its images at
    another path, if the data has a ``name``.

    Args:
        trial: What to do.
        folder: Of this trial.
        splits: The data that its configuration names.
        evaluation: The protocol.
        part: Measure on the test images, or on the validation images, by which settings may be
            chosen.
        device: Where to evaluate.
        quiet: Show no progress of the training.
        callbacks: Of Lightning, for the training.
        show: See `Show`.
        provenance: Further entries of the results' environment, such as the command.

    Returns:
        The folders with the results; none where the loss became non-finite, now or in an earlier
        call: then ``failure.json`` says at which step, and the trial is not tried again.

    Raises:
        InputError: The folder holds a trial with other settings, or as for `fit`.
    """
    finished = results_of(trial, folder, evaluation, part=part)
    if finished is not None:
        return finished
    if not (folder / CONFIG).exists():
        open_folder(folder, dict(trial.config), resume=False)
    if not is_finished(folder):
        try:
            fit(
                splits,
                trial.method,
                trial.config["objectives"][trial.method],
                TrainingOptions(**trial.config["training"]),
                seed=trial.config["seed"],
                folder=folder,
                resume=True,
                quiet=quiet,
                callbacks=callbacks,
            )
        except NonFiniteLossError as error:
            write_json(folder / FAILURE, {"error": str(error)})
            return []
    done = []
    for name in evaluation.attributions:
        results = folder / part / name
        protocol = replace(evaluation, attributions=(name,))
        settings = {**trial.config, "command": "evaluate", "evaluation": plain(asdict(protocol))}
        if (results / RESULTS).is_file():
            _check_protocol(results, protocol)
        else:
            with show(trial.title) as progress:
                measured = measure_trained(
                    folder,
                    splits,
                    protocol,
                    title=trial.title,
                    config={**trial.config, "objective": trial.config["objectives"][trial.method]},
                    device=device,
                    images=splits.test if part == "test" else splits.validation,
                    progress=progress,
                )
            told = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
            write_text(results / CONFIG, told)
            write_measured(
                results,
                [measured],
                classes=splits.test.classes,
                settings=settings,
                environment={**environment(torch.device(device)), **provenance, "part": part},
            )
        done.append(results)
    return done


def results_of(
    trial: Trial, folder: Path, evaluation: EvaluationOptions, *, part: Part
) -> list[Path] | None:
    """Return what `carry_out` would, if there is nothing left to do; else None.

    Args:
        trial: What to do.
        folder: Of this trial.
        evaluation: The protocol.
        part: Which images are measured.

    Raises:
        InputError: The folder holds a trial with other settings.
    """
    if (folder / FAILURE).is_file():
        return []
    if not (folder / CONFIG).exists():
        return None
    folders = {name: folder / part / name for name in evaluation.attributions}
    done = all((results / RESULTS).is_file() for results in folders.values())
    open_folder(folder, _at_path_of(folder, trial) if done else dict(trial.config), resume=True)
    if not done:
        return None
    for name, results in folders.items():
        _check_protocol(results, replace(evaluation, attributions=(name,)))
    return list(folders.values())


def failure_of(folder: Path) -> str | None:
    """Return why the trial in ``folder`` failed, or None if it did not."""
    path = folder / FAILURE
    if not path.is_file():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["error"])


def plain(value: Any) -> Any:
    """Return a value as YAML and JSON hold it: lists for tuples."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _at_path_of(folder: Path, trial: Trial) -> dict[str, Any]:
    """Return a trial's configuration, with the images' path that was in ``folder`` when measured.

    Of data of the same kind and name, which says that it is the same wherever it lies.
    """
    there, here = read_config(folder).get("data"), trial.config["data"]
    if not isinstance(there, dict) or not here["name"] or _identity(there) != _identity(here):
        return dict(trial.config)
    return {**trial.config, "data": {**here, "data": there["data"]}}


def _identity(data: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the kind and the name of the data in a configuration."""
    return str(data.get("data")).partition(":")[0], data.get("name")


def _check_protocol(results: Path, wanted: EvaluationOptions) -> None:
    recorded = yaml.safe_load((results / CONFIG).read_text(encoding="utf-8"))["evaluation"]
    for name, value in plain(asdict(wanted)).items():
        if recorded.get(name) != value:
            raise InputError(
                f"{str(results)!r} holds results measured with {name} {recorded.get(name)!r}, "
                f"expected {value!r}: give another output folder, or remove this one"
            )
