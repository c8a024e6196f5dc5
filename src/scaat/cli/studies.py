"""What the commands share that carry out many trials: their order, progress and tables."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import yaml

from scaat.cli.output import console, mode
from scaat.cli.runs import (
    command_line,
    evaluation_device,
    evaluation_progress,
    load_splits,
)
from scaat.data import DataOptions, DataSplits, load_data
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.files import require_new, write_text
from scaat.hardware import keep_freed_memory
from scaat.studies import Part, Trial, carry_out
from scaat.studies.processes import Call, in_processes
from scaat.studies.store import is_packed, unpack
from scaat.studies.trial import failure_of, plain, results_of
from scaat.training.logs import EpochLines


def claim(path: Path, asked: Mapping[str, Any], *, resume: bool) -> None:
    """Write what is asked for to ``path``, in a new folder, or to resume in the one that has it.

    The trials of a packed study are unpacked, so that they count as done.

    Raises:
        InputError: The folder holds something, or (to resume) no such file.
    """
    if not resume:
        require_new(path.parent)
    elif not path.is_file():
        raise InputError(
            f"folder {str(path.parent)!r} has no {path.name}, so there is nothing to resume"
        )
    if is_packed(path.parent):
        unpack(path.parent)
    write_text(path, yaml.safe_dump(plain(asked), sort_keys=False, allow_unicode=True))


def carry_out_all(
    trials: Sequence[Trial], folder: Path, evaluation: EvaluationOptions, *, part: Part
) -> tuple[list[Path], dict[str, str]]:
    """Carry out trials one after the other, with progress; those that are done are kept.

    Returns:
        The folders with results, and by trial why it has none.
    """
    done: list[Path] = []
    failed = {}
    for number, trial in enumerate(trials, start=1):
        name, place = _name(trial), folder / trial.folder
        results = results_of(trial, place, evaluation, part=part)
        if results is None:
            splits = _loaded(json.dumps([trial.config["data"], trial.config["seed"]]))
            _tell(f"Trial {number} of {len(trials)}: [bold]{name}[/bold]")
            results = carry_out(
                trial,
                place,
                splits,
                evaluation,
                part=part,
                device=evaluation_device(trial.config["training"]["accelerator"]),
                quiet=mode().quiet,
                show=evaluation_progress,
                provenance={"command": command_line()},
            )
        done += results
        if results:
            continue
        failed[name] = failure_of(place) or ""
        console().print(f"  {failed[name]}", soft_wrap=True, highlight=False, markup=False)
    return done, failed


def carry_out_ahead(
    work: Sequence[tuple[Trial, EvaluationOptions]], folder: Path, *, part: Part, jobs: int
) -> None:
    """Carry out trials in processes, ``jobs`` at once; `carry_out_all` then finds them done.

    With one job it is left to that.
    """
    if jobs == 1:
        return
    calls = [
        Call(
            trial.folder,  # a title may be that of a trial on other data, too
            partial(
                _carry_out_here,
                trial,
                folder / trial.folder,
                evaluation,
                part=part,
                quiet=mode().quiet,
                command=command_line(),
            ),
        )
        for trial, evaluation in work
        if results_of(trial, folder / trial.folder, evaluation, part=part) is None
    ]
    begun: dict[Call, float] = {}
    done: list[Call] = []

    def began(call: Call) -> None:
        begun[call] = time.monotonic()
        _tell(f"Trial {len(begun)} of {len(calls)} begins: [bold]{call.name}[/bold]")

    def ended(call: Call) -> None:
        done.append(call)
        minutes = (time.monotonic() - begun[call]) / 60
        _tell(f"{call.name} has taken {minutes:.1f} minutes; {len(done)} of {len(calls)} are done")

    in_processes(calls, jobs, began=began, ended=ended)


def _carry_out_here(
    trial: Trial,
    place: Path,
    evaluation: EvaluationOptions,
    *,
    part: Part,
    quiet: bool,
    command: str,
) -> None:
    """Carry out a trial in a process that was started for it."""
    keep_freed_memory()
    carry_out(
        trial,
        place,
        load_data(DataOptions(**trial.config["data"]), seed=trial.config["seed"]),
        evaluation,
        part=part,
        device=evaluation_device(trial.config["training"]["accelerator"]),
        quiet=True,
        callbacks=[] if quiet else [EpochLines(trial.folder)],
        provenance={"command": command},
    )


def _name(trial: Trial) -> str:
    return f"{trial.title}, seed {trial.config['seed']}"


def _tell(text: str) -> None:
    console().print(text, soft_wrap=True, highlight=False)


@lru_cache(maxsize=2)  # experiments take turns between two data sets at the small scale
def _loaded(wanted: str) -> DataSplits:
    data, seed = json.loads(wanted)
    return load_splits({"data": data, "seed": seed})
