"""``scaat sweep``: try settings on validation images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from scaat.cli import commands
from scaat.cli.options import gather
from scaat.cli.output import Result, if_interrupted
from scaat.cli.runs import read_evaluation_options, read_training_options, resolved
from scaat.cli.studies import collect, open_study, run_all, write_study
from scaat.cli.types import Names
from scaat.errors import did_you_mean
from scaat.studies import Trial, combinations
from scaat.studies.trial import plain

SWEEP = "sweep.yaml"
NOT_VARIED = ("out", "resume", "vary", "seeds", "seed", "one_at_a_time", "engine", "jobs")


@if_interrupted("the same command with --resume keeps what is done and continues")
def sweep(
    out: Path,
    resume: bool,
    vary: tuple[tuple[str, tuple[str, ...]], ...],
    seeds: tuple[int, ...],
    one_at_a_time: bool,
    engine: str,
    jobs: int | None,
    **parameters: Any,
) -> Result:
    """Try settings: train each and measure it on the validation images."""
    values = varied_values(commands.sweep, vary)
    different: dict[str, Trial] = {}
    for seed in seeds:
        for point in combinations(values, one_at_a_time=one_at_a_time):
            trial = make_trial(parameters, point, seed)
            # An option of another method, or a value that is the start's, changes nothing.
            different.setdefault(json.dumps(trial.config, sort_keys=True), trial)
    trials = list(different.values())
    asked = gather(parameters)
    evaluation = read_evaluation_options(asked)
    varied = [f"{name}={','.join(texts)}" for name, texts in vary]
    recorded = {**asked, "seeds": seeds, "vary": varied}
    with open_study(out / SWEEP, recorded, engine=engine, jobs=jobs, resume=resume) as workers:
        work = [(trial, evaluation) for trial in trials]
        run_all(work, out / "trials", part="validation", engine=workers)
    done, failed = collect(trials, out / "trials", evaluation, part="validation")
    return write_study(out, "sweep", done, failed, evaluation)


def make_trial(parameters: Mapping[str, Any], point: Mapping[str, Tried], seed: int) -> Trial:
    """Return the trial of a command's parameters, by click's names, changed as the point says."""
    chosen = {name: tried.value for name, tried in point.items()}
    config = gather({**parameters, **chosen, "seed": seed})
    title = label(commands.sweep, point, config["method"])
    config = resolved("train", config, [config["method"]])
    del config["evaluation"]
    read_training_options(config)  # refuses a wrong setting before the first is trained
    folder = re.sub(r"[^A-Za-z0-9.+-]+", "-", f"{title} seed {seed}")
    return Trial(title, folder, plain(config))


@dataclass(frozen=True)
class Tried:
    """One value of a varied option: as it was written, and as the option takes it."""

    text: str
    value: Any


def varied_values(
    command: click.Command, vary: Sequence[tuple[str, tuple[str, ...]]]
) -> dict[str, list[Tried]]:
    """Return the values of each varied option by click's name of it."""
    known = dict(_flags(command))
    values: dict[str, list[Tried]] = {}
    for name, texts in vary:
        if name not in known:
            raise _bad(f"there is no option {name!r} to vary{did_you_mean(name, known)}")
        option = known[name]
        assert option.name is not None
        if option.name in values:
            raise _bad(f"{name!r} is given twice; give all its values at once")
        try:
            values[option.name] = [
                Tried(text, option.type.convert(text, None, None)) for text in texts
            ]
        except click.BadParameter as error:
            raise _bad(f"{name}: {error.message}") from error
    return values


def label(command: click.Command, point: Mapping[str, Tried], method: str) -> str:
    """Return what a setting is called: ``scaat, epsilon 8/255, weight 3``.

    Options of other methods than its own don't change it and are not named.
    """
    names = {option.name: flag for flag, option in _flags(command)}
    parts = [method]
    for key, tried in point.items():
        flag = names[key]
        owner, dot, short = flag.rpartition(".")
        if flag == "method" or (dot and owner != method):
            continue
        parts.append(f"{short.replace('-', ' ')} {tried.text}")
    return ", ".join(parts)


def _flags(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    for parameter in command.get_params(click.Context(command)):
        if not isinstance(parameter, click.Option) or parameter.name in NOT_VARIED:
            continue
        if parameter.expose_value and not isinstance(parameter.type, Names):
            yield parameter.opts[0].lstrip("-"), parameter


def _bad(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--vary")
