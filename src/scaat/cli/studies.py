"""What the commands share that run many trials: their order, progress and tables."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from scaat.cli.output import Result, console, mode, progress, show_table
from scaat.cli.runs import command_line, evaluation_device, evaluation_progress, load_splits
from scaat.data import DataOptions, DataSplits, load_data
from scaat.display.style import figure_bytes
from scaat.display.table import markdown_section
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.files import require_new, write_bytes, write_json, write_text, write_yaml
from scaat.hardware import keep_freed_memory
from scaat.report import read_results
from scaat.studies import Part, Setting, Trial, run_trial, settings_of
from scaat.studies.engines import Engine, open_engine
from scaat.studies.store import is_packed, pack, unpack
from scaat.studies.sweeps import ON_FRONT, front, measured_columns, sweep_figure, sweep_table
from scaat.studies.trial import failure_of, plain, reference_of, results_of
from scaat.training import is_finished
from scaat.training.logs import EPOCHS, FOLDER, EpochLines


@contextmanager
def open_study(
    path: Path, asked: Mapping[str, Any], *, engine: str, jobs: int | None, resume: bool
) -> Iterator[Engine]:
    """Write what is asked for to ``path``, in a new folder or the one to resume.

    Yields what runs the trials. The study is packed at the end, and unpacked first, so that its
    trials count as done. If the data of a new study are wrong, so that no trial begins, what was
    written is removed.
    """
    out = path.parent
    with open_engine(engine, jobs, out / "jobs") as workers:
        if not resume:
            require_new(out)
        elif not path.is_file():
            raise InputError(
                f"folder {str(out)!r} has no {path.name}, so there is nothing to resume"
            )
        if is_packed(out):
            unpack(out)
        write_yaml(path, plain(asked))
        try:
            yield workers
        except InputError:
            written = list(out.iterdir())
            if not resume and all(file.is_file() for file in written):
                for file in written:
                    file.unlink()
            raise
    pack(out)


@dataclass(frozen=True)
class Job:
    """A trial and all that a worker needs to run it."""

    trial: Trial
    folder: Path  # of the study's trials
    evaluation: EvaluationOptions | None  # None trains only
    part: Part
    reference: Trial | None  # standard training that the trial is compared with, if any
    budget: float | None
    lines: bool  # whether to print a line after each epoch
    command: str  # as it was typed
    label: str | None = None  # printed first, before bars, where somebody watches this process

    @property
    def place(self) -> Path:
        """Return the trial's folder."""
        return self.folder / self.trial.folder

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return results_of(self.trial, self.place, self.evaluation, part=self.part) is not None

    def __call__(self) -> None:
        """Run it."""
        keep_freed_memory()
        watched = self.label is not None
        if watched:
            _say(f"{self.label}: [bold]{_name(self.trial)}[/bold]")
        config = self.trial.config
        run_trial(
            self.trial,
            self.place,
            _loaded(json.dumps({key: config[key] for key in ("data", "seed")}), watched=watched),
            self.evaluation,
            part=self.part,
            reference=None if self.reference is None else self.folder / self.reference.folder,
            device=evaluation_device(config["training"]["accelerator"]),
            budget=self.budget,
            quiet=not watched or mode().quiet,
            callbacks=[EpochLines(self.trial.folder)] if self.lines else [],
            provenance={"command": self.command},
            **({"show": evaluation_progress} if watched else {}),
        )


def run_all(
    work: Sequence[tuple[Trial, EvaluationOptions]],
    folder: Path,
    *,
    part: Part,
    engine: Engine,
    budget: float | None = None,
) -> None:
    """Run trials, after the standard trainings that they are compared with; done ones are kept.

    A trial that is further behind standard training than the budget, in points of accuracy, ends
    early.
    """
    watched = engine.width == 1 and engine.name == "local"
    lines = not (watched or mode().quiet or console().is_terminal)
    # A packed study restores results without models, and a reference needs its model.
    trials = [
        trial
        for trial, evaluation in work
        if is_finished(folder / trial.folder)
        or results_of(trial, folder / trial.folder, evaluation, part=part) is None
    ]

    def job(trial: Trial, evaluation: EvaluationOptions | None, reference: Trial | None) -> Job:
        return Job(trial, folder, evaluation, part, reference, budget, lines, command_line())

    jobs = []
    for trial, evaluation in work:
        reference = None
        if not is_finished(folder / trial.folder):
            reference = reference_of(trial, trials, always=budget is not None)
        one = job(trial, evaluation, reference)
        if not one.is_done:
            jobs.append(one)
    first: dict[str, Job] = {}
    for one in jobs:
        if (wanted := one.reference) is not None:
            among = next((other for other in jobs if other.trial is wanted), None)
            first.setdefault(wanted.folder, among or job(wanted, None, None))
    stages = [
        [one for one in first.values() if not one.is_done],
        [one for one in jobs if one.trial.folder not in first],
    ]
    number, of = 0, f"of {sum(map(len, stages))}"
    shown = console().is_terminal and not watched
    with _bar([one for stage in stages for one in stage]) if shown else nullcontext():
        for stage in stages:
            labelled = [
                replace(one, label=f"Trial {place} {of}" if watched else None)
                for place, one in enumerate(stage, start=number + 1)
            ]
            with closing(engine.run(labelled)) as done:
                for one in done:
                    number += 1
                    if not watched:
                        _say(f"Trial {number} {of} is done: [bold]{_name(one.trial)}[/bold]")


def collect(
    trials: Sequence[Trial], folder: Path, evaluation: EvaluationOptions, *, part: Part
) -> tuple[list[Path], dict[str, str]]:
    """Return the folders with results of trials that were run, and by trial why it has none."""
    done: list[Path] = []
    failed = {}
    for trial in trials:
        place = folder / trial.folder
        done += results_of(trial, place, evaluation, part=part) or []
        if why := failure_of(place):
            failed[_name(trial)] = why
            console().print(f"{_name(trial)}: {why}", soft_wrap=True, highlight=False, markup=False)
    return done, failed


def write_study(
    out: Path,
    name: str,
    done: Sequence[Path],
    failed: Mapping[str, str],
    evaluation: EvaluationOptions,
    *,
    ahead: Callable[[Setting], bool] | None = None,
    note: str = ON_FRONT,
    sections: Sequence[str] = (),
) -> Result:
    """Write the tables and figures of settings that were tried, and return them as a result.

    A setting is marked if it is ``ahead``, by default if it is on the front; ``note`` says what
    the mark means. ``done`` and ``failed`` are as `collect` returns them.
    """
    if not done:
        why = next(iter(failed.values()), "there was none")
        raise InputError(f"no trial in {str(out)!r} came to its end: {why}")
    settings = settings_of(read_results(*done))
    text, rows = [f"# {name.capitalize()}, measured on validation images", *sections], []
    for attribution in evaluation.attributions:
        marks = [ahead(setting) for setting in settings] if ahead else front(settings, attribution)
        table = sweep_table(settings, attribution, ahead=marks, note=note)
        text.append(markdown_section(table))
        figure = sweep_figure(settings, attribution, ahead=marks, note=note)
        path = out / "figures" / f"{name}-{attribution}.png"
        write_bytes(path, figure_bytes(figure, "png"))
        show_table(table)
        rows += [
            {
                "setting": setting.title,
                "attribution": attribution,
                "seeds": list(setting.seeds),
                **{
                    key: (value := setting.estimate(key, attribution)) and asdict(value)
                    for key in measured_columns(settings, attribution)
                },
                "train_seconds": setting.train_seconds,
                "on_front": mark,
            }
            for setting, mark in zip(settings, marks, strict=True)
        ]
    if failed:
        text.append("Not measured:\n\n" + "\n".join(f"- {key}: {failed[key]}" for key in failed))
    write_text(out / f"{name}.md", "\n\n".join(text) + "\n")
    result = {"rows": rows, "failed": dict(failed)}
    write_json(out / f"{name}.json", result)
    return {"out": str(out), **result}


@contextmanager
def _bar(jobs: Sequence[Job]) -> Iterator[None]:
    """Show on a terminal how many epochs are trained, from the logs that all engines write."""
    ended = threading.Event()
    total = sum(int(job.trial.config["training"]["epochs"]) for job in jobs)
    logs = [job.place / FOLDER / EPOCHS for job in jobs]
    with progress(f"{len(jobs)} trials") as show:

        def follow() -> None:
            while not ended.wait(1):
                trained = 0
                for log in logs:
                    with suppress(OSError):  # no epoch is trained yet
                        trained += log.read_bytes().count(b"\n") - 1
                show("epochs", trained, total)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _name(trial: Trial) -> str:
    return f"{trial.title}, seed {trial.config['seed']}"


def _say(text: str) -> None:
    console().print(text, soft_wrap=True, highlight=False)


@lru_cache(maxsize=2)  # experiments take turns between two data sets at the small scale
def _loaded(wanted: str, *, watched: bool) -> DataSplits:
    config = json.loads(wanted)
    if watched:
        return load_splits(config)
    return load_data(DataOptions(**config["data"]), seed=config["seed"])
