"""``scaat reproduce``: the paper's tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from scaat.cli.command import SectionedCommand
from scaat.cli.interruption import if_interrupted
from scaat.cli.memory import keep_freed_memory
from scaat.cli.names import one_of
from scaat.cli.output import Result, console
from scaat.cli.runs import output_options
from scaat.cli.studies import (
    carry_out_ahead,
    carry_out_all,
    claim,
    jobs_option,
    seeds_option,
)
from scaat.cli.tables import show_table
from scaat.cli.types import Choice
from scaat.data import DataOptions
from scaat.errors import InputError, unknown
from scaat.evaluation import EvaluationOptions
from scaat.files import read_yaml, write_bytes, write_text
from scaat.report import read_results
from scaat.report.writing import figure_bytes
from scaat.studies import Trial, settings_of
from scaat.studies.paper import EXPERIMENTS, SCALES, Experiment, Source
from scaat.studies.store import pack
from scaat.studies.sweeps import markdown_section

ASKED = "reproduce.yaml"


@dataclass(frozen=True)
class _Planned:
    """What one experiment does with one source."""

    source: Source
    trials: list[Trial]
    evaluation: EvaluationOptions


@if_interrupted("the same command with --resume keeps what is done and goes on")
def reproduce(
    experiments: tuple[str, ...],
    scale: str,
    data: tuple[str, ...],
    seeds: tuple[int, ...] | None,
    jobs: int,
    out: Path,
    resume: bool,
) -> Result:
    """Carry out experiments of the paper, from data to finished table.

    EXPERIMENT is table1, table2, table3, figure2, figure3, ablations or rivals; several share the
    trainings that they have in common, and all of them are meant where none is named. At scale
    small the images come with the package and stand for the paper's; at medium and full --data
    says where they are, and data that is not named is left out. Writes OUT/EXPERIMENT.md with the
    paper's values beside, and OUT/figures; the settings, results and values by image of all
    trainings to config.yaml, trials.csv and per_image.parquet, from which --resume and scaat report
    go on; and each training to a folder of its own in OUT/trials.
    """
    keep_freed_memory()
    chosen = SCALES[scale]
    sources = _located(scale, data)
    if resume and (out / ASKED).is_file() and (read_yaml(out / ASKED) or {}).get("scale") != scale:
        raise InputError(f"folder {str(out)!r} holds experiments of another scale than {scale!r}")
    claim(out / ASKED, {"scale": scale, "data": list(data)}, resume=resume)
    written: list[str] = []
    for name in experiments or EXPERIMENTS:
        experiment = EXPERIMENTS[name]
        plan = [
            _Planned(
                source,
                list(experiment.trials(source, options, seeds or chosen.seeds)),
                replace(source.evaluation, attributions=experiment.attributions),
            )
            for source, options in sources
            if source.letter in experiment.letters
        ]
        work = [(trial, planned.evaluation) for planned in plan for trial in planned.trials]
        carry_out_ahead(work, out / "trials", part="test", jobs=jobs)
        sections = []
        for planned in plan:
            sections += _carried_out(name, experiment, planned, out, written)
        if sections:
            text = "\n\n".join([f"# {name}: {experiment.summary}", f"Scale {scale}.", *sections])
            write_text(out / f"{name}.md", text + "\n")
            written.append(f"{name}.md")
    pack(out)
    output = console(stderr=False)
    for file in written:
        output.print(f"{out / file}", soft_wrap=True, highlight=False, markup=False)
    return {"out": str(out), "files": written}


def _carried_out(
    name: str, experiment: Experiment, planned: _Planned, out: Path, written: list[str]
) -> list[str]:
    """Carry out what is planned; return its sections, and add to what was written."""
    done, failed = carry_out_all(planned.trials, out / "trials", planned.evaluation, part="test")
    told = [f"- {trial}: {why}" for trial, why in failed.items()]
    sections = ["\n".join([f"Not measured on {planned.source.key}:", "", *told])] if told else []
    if not done:
        return sections
    results = read_results(*done)
    tables = experiment.tables(planned.source, settings_of(results))
    for table in tables:
        show_table(table)
    sections += map(markdown_section, tables)
    for draw in experiment.figures:
        for comparison in results.comparisons:
            for plate in draw(comparison):
                file = (
                    f"figures/{name}-{planned.source.key}-{plate.name}-seed-{comparison.seed}.png"
                )
                write_bytes(out / file, figure_bytes(plate.figure, "png"))
                written.append(file)
                sections.append(f"![{plate.alt}]({file})\n\n{plate.caption}")
    return sections


def _located(scale: str, data: Sequence[str]) -> list[tuple[Source, DataOptions]]:
    """Return the sources of a scale whose images are there, and where."""
    known = {source.key: source for source in SCALES[scale].sources}
    places = {}
    for text in data:
        key, equals, place = text.partition("=")
        if key not in known:
            raise unknown(f"data of scale {scale!r}", key, known)
        if not equals or not place:
            raise InputError(f"--data {text!r} names no place, expected {key}=PLACE")
        places[key] = place
    found = [
        (source, replace(source.data, data=places[key]) if key in places else source.data)
        for key, source in known.items()
        if source.embedded or key in places
    ]
    if not found:
        raise InputError(
            f"scale {scale!r} needs images of your own, expected --data KEY=PLACE for one or more "
            f"of {', '.join(known)}"
        )
    return found


command = SectionedCommand(
    "reproduce",
    callback=reproduce,
    help=reproduce.__doc__,
    params=[
        click.Argument(
            ["experiments"],
            metavar="[EXPERIMENT]...",
            nargs=-1,
            type=Choice(list(EXPERIMENTS)),
            shell_complete=one_of(lambda: EXPERIMENTS),
        ),
        *output_options(),
        click.Option(
            ["--scale"],
            type=Choice(list(SCALES)),
            default="small",
            show_default=True,
            help="; ".join(f"{name}: {scale.about}" for name, scale in SCALES.items()) + ".",
        ),
        click.Option(
            ["--data"],
            multiple=True,
            metavar="KEY=PLACE",
            help="Where images are, as for scaat train --data, such as cifar10=parquet:PATH; once "
            "for each. Keys: "
            + "; ".join(
                f"{', '.join(source.key for source in scale.sources)} ({name})"
                for name, scale in SCALES.items()
            )
            + ".",
        ),
        seeds_option(None, "0 at scale small, else 0,1,2"),
        jobs_option(),
    ],
)
