"""``scaat reproduce``: the paper's tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scaat.cli.output import Result, if_interrupted, say, show_table
from scaat.cli.studies import collect, open_study, run_all
from scaat.data import DataOptions
from scaat.display.style import figure_bytes
from scaat.display.table import markdown_section
from scaat.errors import InputError, unknown
from scaat.files import read_yaml, write_bytes, write_text
from scaat.report import read_results
from scaat.studies import settings_of
from scaat.studies.paper import EXPERIMENTS, SCALES, Experiment, Source

ASKED = "reproduce.yaml"


@if_interrupted("the same command with --resume keeps what is done and continues")
def reproduce(
    experiments: tuple[str, ...],
    scale: str,
    data: tuple[str, ...],
    seeds: tuple[int, ...] | None,
    engine: str,
    jobs: int | None,
    out: Path,
    resume: bool,
) -> Result:
    """Run experiments of the paper, from data to finished table."""
    chosen = SCALES[scale]
    sources = _located(scale, data)
    if resume and (out / ASKED).is_file() and (read_yaml(out / ASKED) or {}).get("scale") != scale:
        raise InputError(f"folder {str(out)!r} holds experiments of another scale than {scale!r}")
    written: list[str] = []
    asked = {"scale": scale, "data": list(data)}
    with open_study(out / ASKED, asked, engine=engine, jobs=jobs, resume=resume) as workers:
        for name in experiments or EXPERIMENTS:
            experiment = EXPERIMENTS[name]
            plan = []
            for source, options in sources:
                if source.letter in experiment.letters:
                    trials = list(experiment.trials(source, options, seeds or chosen.seeds))
                    protocol = replace(source.evaluation, attributions=experiment.attributions)
                    plan.append((source, trials, protocol))
            work = [(trial, protocol) for _, trials, protocol in plan for trial in trials]
            run_all(work, out / "trials", part="test", engine=workers)
            sections = []
            for source, trials, protocol in plan:
                done, failed = collect(trials, out / "trials", protocol, part="test")
                if failed:
                    told = "\n".join(f"- {trial}: {why}" for trial, why in failed.items())
                    sections.append(f"Not measured on {source.key}:\n\n{told}")
                if done:
                    sections += _sections(name, experiment, source, done, out, written)
            if sections:
                sections = [f"# {name}: {experiment.summary}", f"Scale {scale}.", *sections]
                write_text(out / f"{name}.md", "\n\n".join(sections) + "\n")
                written.append(f"{name}.md")
    say(*(str(out / file) for file in written))
    return {"out": str(out), "files": written}


def _sections(
    name: str,
    experiment: Experiment,
    source: Source,
    done: Sequence[Path],
    out: Path,
    written: list[str],
) -> list[str]:
    """Return the sections on trials that have results, and add to what was written."""
    results = read_results(*done)
    tables = experiment.tables(source, settings_of(results))
    for table in tables:
        show_table(table)
    sections = [markdown_section(table) for table in tables]
    for draw in experiment.figures:
        for comparison in results.comparisons:
            for spec in draw(comparison):
                file = f"figures/{name}-{source.key}-{spec.name}-seed-{comparison.seed}.png"
                write_bytes(out / file, figure_bytes(spec.figure, "png"))
                written.append(file)
                sections.append(f"![{spec.alt}]({file})\n\n{spec.caption}")
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
    located = [
        (source, replace(source.data, data=places[key]) if key in places else source.data)
        for key, source in known.items()
        if source.embedded or key in places
    ]
    if not located:
        raise InputError(
            f"scale {scale!r} needs images of your own, expected --data KEY=PLACE for one or more "
            f"of {', '.join(known)}"
        )
    return located
