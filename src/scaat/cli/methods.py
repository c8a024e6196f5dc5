"""``scaat methods``: training methods, saliency methods and measures, and what each does."""

from __future__ import annotations

import inspect
import re
from pkgutil import resolve_name

import click

from scaat.cli.options import ATTRIBUTIONS, METHODS, objective_options
from scaat.cli.output import Result, mode
from scaat.errors import InputError, did_you_mean


def methods(name: str | None, kind: str | None) -> Result:
    """List the entries of a kind, by default the training methods, or describe one."""
    if name is None:
        return _listed(kind or "training")
    known: list[str] = []
    for each in REGISTRIES if kind is None else (kind,):
        texts = _texts(each)
        if name in texts:
            return _described(each, name, texts[name])
        known += texts
    raise InputError(
        f"there is no method or measure {name!r}{did_you_mean(name, known)}; scaat methods lists "
        "training methods, --kind attribution saliency methods and --kind measure measures"
    )


def _listed(kind: str) -> Result:
    summaries = {name: _summary(text) for name, text in _texts(kind).items()}
    if not (mode().quiet or mode().json):
        formatter = click.get_current_context().make_formatter()
        formatter.write_dl(list(summaries.items()))
        click.echo(formatter.getvalue() + "\n" + HINTS[kind])
    return {
        "kind": kind,
        "entries": [{"name": name, "summary": text} for name, text in summaries.items()],
    }


def _described(kind: str, name: str, text: str) -> Result:
    options = objective_options(name) if kind == "training" else []
    context = click.get_current_context()
    records = [
        record for option in options if (record := option.get_help_record(context)) is not None
    ]
    text = re.split(r"\n(?:Args|Raises|Returns|Attributes|Example):", text)[0].replace("``", "")
    if not (mode().quiet or mode().json):
        click.echo(f"{name} ({kind})\n\n{text.strip()}")
        if records:
            formatter = context.make_formatter()
            with formatter.section("\nOptions"):
                formatter.write_dl(records)
            click.echo(formatter.getvalue().rstrip())
    return {
        "kind": kind,
        "name": name,
        "description": text.strip(),
        "options": [{"flag": flag, "help": said} for flag, said in records],
    }


def _summary(text: str) -> str:
    sentence = " ".join(text.split("\n\n")[0].replace("``", "").split()).removeprefix("Return ")
    return sentence[:1].upper() + sentence[1:]


def _texts(kind: str) -> dict[str, str]:
    registry = resolve_name(REGISTRIES[kind])
    texts = {name: inspect.getdoc(registry[name]) or "" for name in registry}
    return texts | OF_THE_MODEL if kind == "measure" else texts


REGISTRIES = {
    "training": METHODS,
    "attribution": ATTRIBUTIONS,
    "measure": "scaat.evaluation.measures:measures",
}
OF_THE_MODEL = {
    "robustness": "Accuracy under PGD attacks with radii of 2/255 and 8/255.",
    "calibration": "Expected calibration error of the predicted class's probability.",
}
"""What is measured of the model alone, in no registry."""
HINTS = {
    "training": "Options of a method: scaat methods NAME. Saliency methods: scaat methods --kind "
    "attribution.\nMeasures: scaat methods --kind measure.",
    "attribution": "Use: --eval-attributions NAME,... or scaat explain --attributions NAME,...",
    "measure": "Always measured: sparsity and aopc, with masks or boxes localisation, with "
    "--random-labels-run\nrandom-labels. The others: --eval-also-measure NAME,...",
}
