"""One training and its evaluation; a trial that is done is not run again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from scaat.data import DataOptions, DataSplits
from scaat.errors import InputError, NonFiniteLossError
from scaat.evaluation import EvaluationOptions, Progress, environment
from scaat.evaluation.trained import measure_trained, write_measured
from scaat.files import read_yaml, write_json, write_yaml
from scaat.objectives import objective_options, objectives
from scaat.training import TrainingOptions, fit, is_finished, open_folder
from scaat.training.fitting import keeps_budget
from scaat.training.folder import CONFIG, OPERATIONAL, read_config
from scaat.training.logs import read_history

Part = Literal["validation", "test"]
"""Which images of a data set the maps and the accuracy are measured on."""

RESULTS, FAILURE = "results.json", "failure.json"
_NO_RESULT = {name.removeprefix("training.") for name in OPERATIONAL}

Show = Callable[[str], AbstractContextManager[Progress | None]]
"""Given what is evaluated, a context that yields what `scaat.evaluation.evaluate` calls."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One training."""

    title: str
    """What the results call it; trials that differ in the seed alone share it."""
    folder: str
    """Where it lies, below the study's folder; the same in every call of the study."""
    config: Mapping[str, Any]
    """As ``scaat train`` writes it (`trial_config`): its commands take a trial's folder, too."""

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


class BudgetExceeded(Exception):  # noqa: N818  (an expected end of a trial)
    """A training lost more validation accuracy than its budget allows."""


class KeepBudget(Callback):
    """Ends a training that is behind a reference by more than a budget and chance, twice in a row.

    ``reference`` is the folder of the standard training, compared at the same epoch, and
    ``budget`` in points of accuracy on so many validation ``images``. Chance: two standard errors
    of a difference between two trainings.
    """

    def __init__(self, reference: Path, budget: float, images: int) -> None:
        history = read_history(reference)
        self.reference = [] if history is None else history["curves"].get("val_accuracy", [])
        self.budget = budget
        self.images = images
        self.epochs_behind = 0

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare the epoch's accuracy."""
        epoch = trainer.current_epoch
        standard = self.reference[epoch] if epoch < len(self.reference) else None
        if standard is None:
            return
        accuracy = float(trainer.callback_metrics["val_accuracy"])
        variance = (accuracy * (1 - accuracy) + standard * (1 - standard)) / self.images
        lost, chance = 100 * (standard - accuracy), 200 * math.sqrt(variance)
        self.epochs_behind = self.epochs_behind + 1 if lost > self.budget + chance else 0
        if self.epochs_behind == 2:
            raise BudgetExceeded(
                f"{lost:.1f} points of validation accuracy behind standard training in epoch "
                f"{epoch + 1}, more than the budget of {self.budget:g} and {chance:.1f} for chance"
            )


def run_trial(
    trial: Trial,
    folder: Path,
    splits: DataSplits,
    evaluation: EvaluationOptions | None,
    *,
    part: Part,
    reference: Path | None = None,
    device: torch.device | str = "cpu",
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    budget: float | None = None,
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
        evaluation: The protocol; None trains only.
        part: Measure on the test images, or on the validation images, by which settings may be
            chosen.
        reference: Folder of the standard training that an accuracy budget is compared with; see
            `scaat.training.fit`.
        device: Where to evaluate.
        quiet: Show no progress of the training.
        callbacks: Of Lightning, for the training.
        budget: Points of validation accuracy by which the training may be behind ``reference``;
            beyond it ends early (`KeepBudget`). Default: no end but the last epoch.
        show: See `Show`.
        provenance: Further entries of the results' environment, such as the command.

    Returns:
        The folders with the results; none without ``evaluation``, and none where the loss became
        non-finite or the budget was exceeded, now or in an earlier call: then ``failure.json``
        says when, and the trial is not tried again.

    Raises:
        InputError: The folder holds a trial with other settings, or as for `fit`.
    """
    finished = results_of(trial, folder, evaluation, part=part)
    if finished is not None:
        return finished
    open_folder(folder, dict(trial.config), resume=(folder / CONFIG).exists())
    if not is_finished(folder):
        if reference is not None and (why := failure_of(reference)):
            write_json(folder / FAILURE, {"error": f"the standard training to compare with: {why}"})
            return []
        if budget is not None and reference is not None:
            callbacks = [*callbacks, KeepBudget(reference, budget, len(splits.validation))]
        try:
            fit(
                splits,
                trial.method,
                trial.config["objectives"][trial.method],
                TrainingOptions(**trial.config["training"]),
                seed=trial.config["seed"],
                folder=folder,
                reference=reference,
                resume=True,
                quiet=quiet,
                callbacks=callbacks,
            )
        except (NonFiniteLossError, BudgetExceeded) as error:
            write_json(folder / FAILURE, {"error": str(error)})
            return []
    if evaluation is None:
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
            write_yaml(results / CONFIG, settings)
            write_measured(
                results,
                [measured],
                settings=settings,
                environment={**environment(torch.device(device)), **provenance, "part": part},
            )
        done.append(results)
    return done


def results_of(
    trial: Trial, folder: Path, evaluation: EvaluationOptions | None, *, part: Part
) -> list[Path] | None:
    """Return what `run_trial` would of these arguments, if nothing is left to do; else None.

    Raises:
        InputError: The folder holds a trial with other settings.
    """
    if (folder / FAILURE).is_file():
        return []
    if not (folder / CONFIG).exists():
        return None
    if evaluation is None:
        open_folder(folder, dict(trial.config), resume=True)
        return [] if is_finished(folder) else None
    folders = {name: folder / part / name for name in evaluation.attributions}
    done = all((results / RESULTS).is_file() for results in folders.values())
    open_folder(folder, _at_path_of(folder, trial) if done else dict(trial.config), resume=True)
    if not done:
        return None
    for name, results in folders.items():
        _check_protocol(results, replace(evaluation, attributions=(name,)))
    return list(folders.values())


def reference_of(
    trial: Trial, others: Sequence[Trial] = (), *, always: bool = False
) -> Trial | None:
    """Return the standard training that a trial's accuracy budget is compared with, if it has one.

    Trials of equal data, training and seed share it, one of ``others`` where it fits. ``always``
    is for methods that keep no budget themselves, too.
    """
    needed = always or keeps_budget(trial.method, trial.config["objectives"][trial.method])
    if not needed or trial.method == "standard":
        return None
    wanted = {**trial.config, "method": "standard", "objectives": {"standard": {}}}
    for other in others:
        given = other.config["objectives"].get("standard", {})
        known = objective_options(objectives["standard"])
        if all(value == known[name].default for name, value in given.items()) and (
            {**other.config, "objectives": wanted["objectives"]} == wanted
        ):
            return other
    kept = {key: value for key, value in wanted["training"].items() if key not in _NO_RESULT}
    content = json.dumps({**wanted, "training": kept}, sort_keys=True)
    return Trial("standard", f"reference-{sha256(content.encode()).hexdigest()[:8]}", wanted)


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
    """Return a trial's configuration; data of equal kind and name keeps the path in ``folder``."""
    there, here = read_config(folder).get("data"), trial.config["data"]
    if not isinstance(there, dict) or not here["name"] or _identity(there) != _identity(here):
        return dict(trial.config)
    return {**trial.config, "data": {**here, "data": there["data"]}}


def _identity(data: Mapping[str, Any]) -> tuple[str, Any]:
    return str(data.get("data")).partition(":")[0], data.get("name")


def _check_protocol(results: Path, wanted: EvaluationOptions) -> None:
    recorded = read_yaml(results / CONFIG)["evaluation"]
    for name, value in plain(asdict(wanted)).items():
        if recorded.get(name) != value:
            raise InputError(
                f"{str(results)!r} holds results measured with {name} {recorded.get(name)!r}, "
                f"expected {value!r}: give another output folder, or remove this one"
            )
