"""The names that a shell completes for an option: models, kinds of data, methods, measures."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def model_names(incomplete: str = "") -> list[str]:
    """Return the models whose names may begin so; a library's own once it is named."""
    from scaat.models.registry import models

    prefix, colon, _ = incomplete.partition(":")
    if not colon:
        libraries = [name for name in ("torchvision", "timm") if importlib.util.find_spec(name)]
        return [*models, *(f"{name}:" for name in (*libraries, "smoothed"))]
    return [f"{prefix}:{name}" for name in _library_models(prefix)]


def data_kinds() -> list[str]:
    """Return what ``--data`` may begin with."""
    from scaat.data import datasets

    return [f"{name}:" if datasets[name].argument else name for name in datasets]


def method_names() -> list[str]:
    """Return the training methods."""
    from scaat.objectives import objectives

    return list(objectives)


def attribution_names() -> list[str]:
    """Return the saliency methods."""
    from scaat.attribution import attributions

    return list(attributions)


def measure_names() -> list[str]:
    """Return what can be measured on request."""
    from scaat.options.evaluation import OPTIONAL_MEASURES

    return list(OPTIONAL_MEASURES)


def fill_names() -> list[str]:
    """Return what can replace pixels."""
    from scaat.functional.fills import FILLS

    return list(FILLS)


def one_of(names: Callable[[], Iterable[str]]) -> Complete:
    """Return the completion of an option that takes one name."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in names() if name.startswith(incomplete)]

    return complete


def several_of(names: Callable[[], Iterable[str]]) -> Complete:
    """Return the completion of an option that takes different names, separated by commas."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return [
            CompletionItem(f"{before}{comma}{name}")
            for name in names()
            if name.startswith(last) and name not in given
        ]

    return complete


def complete_model(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a model's name."""
    return one_of(lambda: model_names(incomplete))(_, __, incomplete)


def complete_variant(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a method and, after its colon, the names of its settings."""
    method, colon, settings = incomplete.partition(":")
    if not colon:
        return one_of(method_names)(_, __, incomplete)
    before, comma, last = settings.rpartition(",")
    given = {part.partition("=")[0] for part in before.split(",")}
    return [
        CompletionItem(f"{method}:{before}{comma}{name}=")
        for name in _settings(method)
        if name.startswith(last) and name not in given
    ]


COMPLETIONS: dict[str, Complete] = {
    "data.data": one_of(data_kinds),
    "training.model": complete_model,
    "evaluation.attributions": several_of(attribution_names),
    "evaluation.also_measure": several_of(measure_names),
    "evaluation.aopc_fill": one_of(fill_names),
    "evaluation.deletion_fill": one_of(fill_names),
    "evaluation.insertion_fill": one_of(fill_names),
}
"""By an option's place in a configuration."""


def _library_models(library: str) -> list[str]:
    from scaat.models.libraries import timm_models, torchvision_models

    known = {"torchvision": torchvision_models, "timm": timm_models}
    return known[library]() if library in known else []


def _settings(method: str) -> list[str]:
    from scaat.cli.options import objective_options

    found = objective_options(method) if method in method_names() else []
    return [str(option.name).rpartition("__")[2] for option in found]
