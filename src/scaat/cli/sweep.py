"""``scaat sweep``: try settings on validation images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from scaat.cli.command import SectionedCommand
from scaat.cli.interruption import if_interrupted
from scaat.cli.memory import keep_freed_memory
from scaat.cli.options import gather
from scaat.cli.output import Result
from scaat.cli.runs import (
    evaluation_options,
    output_options,
    read_evaluation_options,
    read_training_options,
    resolved,
    run_options,
)
from scaat.cli.studies import (
    carry_out_ahead,
    carry_out_all,
    claim,
    jobs_option,
    seeds_option,
)
from scaat.cli.tables import show_table
from scaat.cli.types import Choice
from scaat.cli.vary import Tried, label, varied_values, vary_option
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.files import write_bytes, write_json, write_text
from scaat.objectives import objectives
from scaat.report import Estimate, read_results
from scaat.report.writing import figure_bytes
from scaat.studies import Trial, combinations, settings_of
from scaat.studies.store import pack
from scaat.studies.sweeps import (
    front,
    markdown_section,
    measured_columns,
    sweep_figure,
    sweep_table,
)
from scaat.studies.trial import plain

SWEEP = "sweep.yaml"


@if_interrupted("the same command with --resume keeps what is done and goes on")
def sweep(
    out: Path,
    resume: bool,
    vary: tuple[tuple[str, tuple[str, ...]], ...],
    seeds: tuple[int, ...],
    one_at_a_time: bool,
    sample: int | None,
    jobs: int,
    **parameters: Any,
) -> Result:
    """Try settings: train each and measure it on the validation images.

    Tries every combination of the values given by --vary, or a part of them, with each seed.
    The test images are not used. Writes a table, figures and sweep.json to --out; the settings,
    results and values by image of all trials to config.yaml, trials.csv and per_image.parquet, from
    which --resume and scaat report go on; and each training to a folder of its own in OUT/trials,
    which scaat evaluate and scaat explain take. With --resume, trials that are done are kept, and
    values may be added.
    """
    keep_freed_memory()
    trials = _trials(parameters, vary, seeds, one_at_a_time=one_at_a_time, sample=sample)
    asked = gather(parameters)
    evaluation = read_evaluation_options(asked)
    varied = [f"{name}={','.join(texts)}" for name, texts in vary]
    claim(out / SWEEP, {**asked, "seeds": seeds, "vary": varied}, resume=resume)
    work = [(trial, evaluation) for trial in trials]
    carry_out_ahead(work, out / "trials", part="validation", jobs=jobs)
    done, failed = carry_out_all(trials, out / "trials", evaluation, part="validation")
    pack(out)
    return _report(out, done, failed, evaluation)


def _trials(
    parameters: Mapping[str, Any],
    vary: Sequence[tuple[str, tuple[str, ...]]],
    seeds: Sequence[int],
    *,
    one_at_a_time: bool,
    sample: int | None,
) -> list[Trial]:
    values = varied_values(command, vary)
    trials: dict[str, Trial] = {}
    for seed in seeds:
        for point in combinations(values, one_at_a_time=one_at_a_time, sample=sample):
            trial = _trial(parameters, point, seed)
            # An option of another method, or a value that is the start's, changes nothing.
            trials.setdefault(json.dumps(trial.config, sort_keys=True), trial)
    return list(trials.values())


def _trial(parameters: Mapping[str, Any], point: Mapping[str, Tried], seed: int) -> Trial:
    chosen = {name: tried.value for name, tried in point.items()}
    config = gather({**parameters, **chosen, "seed": seed})
    title = label(command, point, config["method"])
    config = resolved("train", config, [config["method"]])
    del config["evaluation"]
    read_training_options(config)  # refuses a wrong setting before the first is trained
    folder = re.sub(r"[^A-Za-z0-9.+-]+", "-", f"{title} seed {seed}")
    return Trial(title, folder, plain(config))


def _report(
    out: Path, done: list[Path], failed: dict[str, str], evaluation: EvaluationOptions
) -> Result:
    if not done:
        raise InputError(
            f"no trial in {str(out)!r} came to its end: the loss became non-finite in all of them"
        )
    settings = settings_of(read_results(*done))
    text, rows = ["# Sweep, measured on validation images"], []
    for attribution in evaluation.attributions:
        columns = measured_columns(settings, attribution)
        table = sweep_table(settings, attribution)
        text.append(markdown_section(table))
        figure = sweep_figure(settings, attribution)
        write_bytes(out / "figures" / f"{table.name}.png", figure_bytes(figure, "png"))
        show_table(table)
        rows += [
            {
                "setting": setting.title,
                "attribution": attribution,
                "seeds": list(setting.seeds),
                **{key: _plain(setting.estimate(key, attribution)) for key in columns},
                "train_seconds": setting.train_seconds,
                "on_front": ahead,
            }
            for setting, ahead in zip(settings, front(settings, attribution), strict=True)
        ]
    if failed:
        text.append(
            "Not measured:\n\n" + "\n".join(f"- {name}: {why}" for name, why in failed.items())
        )
    write_text(out / "sweep.md", "\n\n".join(text) + "\n")
    write_json(out / "sweep.json", {"rows": rows, "failed": failed})
    return {"out": str(out), "rows": rows, "failed": failed}


def _plain(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else asdict(estimate)


command = SectionedCommand(
    "sweep",
    callback=sweep,
    help=sweep.__doc__,
    params=[
        *output_options(),
        vary_option(),
        seeds_option("0"),
        jobs_option(),
        click.Option(
            ["--one-at-a-time"],
            is_flag=True,
            help="Vary each option alone, instead of trying every combination.",
        ),
        click.Option(
            ["--sample"],
            type=int,
            help="Try this many of the combinations, drawn at random; default: all.",
        ),
        click.Option(
            ["--method"],
            type=Choice(list(objectives)),
            default="scaat",
            show_default=True,
            help="How to train, where --vary does not say.",
        ),
        *(option for option in run_options(list(objectives)) if option.name != "seed"),
        *evaluation_options(),
    ],
)
