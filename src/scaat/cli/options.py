"""Command-line options made from what the layers declare: dataclasses and constructors."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from scaat.cli.types import NUMBER, Choice, Entry, Names, Value
from scaat.errors import InputError, did_you_mean
from scaat.files import read_yaml

if TYPE_CHECKING:
    from scaat.cost import Variant

NOT_OPTIONS = ("num_samples", "training_steps", "bounds", "reference", "validation_reference")
"""Arguments of an objective that follow from the data and the length of the training."""

COMMON = {
    "data": ("data", "image_size", "train_limit"),
    "training": ("model", "epochs", "batch_size", "learning_rate", "precision", "accelerator"),
    "evaluation": ("attributions", "also_measure", "images"),
}
"""Settings that ``--help`` shows, the most used first; ``--help-all`` shows the others, too."""

TITLES = {"": "Options", "data": "Data", "training": "Training", "evaluation": "Evaluation"}

METHODS, ATTRIBUTIONS = "scaat.objectives:objectives", "scaat.attribution:attributions"
"""The registries of training methods and saliency methods, which import torch."""

NOTE = f"{__name__}.note"
"""Where a context keeps what is to be said about its configuration file."""


class Setting(click.Option):
    """An option whose name is its place in configuration files; ``--help`` shows common ones."""

    def __init__(self, flag: str, place: str, *, common: bool = True, **options: Any) -> None:
        super().__init__([flag, "setting"], **options)
        self.name = place
        self.common = common

    @property
    def title(self) -> str:
        """Return the heading of its section in help."""
        section = (self.name or "").rpartition(".")[0]
        return TITLES.get(section) or f"Method {section.removeprefix('objectives.')}"


def dataclass_options(section: str, options: type, prefix: str = "") -> list[click.Option]:
    """Return an option for each field of a dataclass, the most used first.

    The prefix is put before a flag's name where it would clash with another section's.
    """
    hints = typing.get_type_hints(options)
    fields = {field.name: field for field in dataclasses.fields(options)}
    names = dict.fromkeys((*COMMON[section], *fields))
    declared = {n: (hints[n], fields[n].default, fields[n].metadata["help"]) for n in names}
    return _settings(section, prefix, declared)


@cache
def objective_options(method: str) -> list[click.Option]:
    """Return an option ``--METHOD.NAME`` for each keyword of an objective's constructor."""
    from scaat.objectives import objective_options as options_of
    from scaat.objectives import objectives

    options = options_of(objectives[method])
    declared = {n: option[:3] for n, option in options.items() if n not in NOT_OPTIONS}
    return _settings(f"objectives.{method}", f"{method}.", declared)


def _settings(
    section: str, prefix: str, declared: Mapping[str, tuple[Any, Any, str]]
) -> list[click.Option]:
    """Return the options of a section from their types, defaults and texts, by name."""
    made: list[click.Option] = []
    for name, (annotation, default, text) in declared.items():
        place, flag = f"{section}.{name}", f"{prefix}{name}".replace("_", "-")
        setting = Setting(
            f"--{flag}/--no-{flag}" if annotation is bool else f"--{flag}",
            place,
            common=name in COMMON.get(section, ()),
            type=Names(ATTRIBUTIONS) if place == "evaluation.attributions" else _type(annotation),
            default=default,
            help=text,
        )
        made.append(setting)
    return made


def all_objective_options() -> list[click.Option]:
    """Return the options of every objective; this imports torch."""
    from scaat.objectives import objectives

    return [option for method in objectives for option in objective_options(method)]


def gather(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Nest click's flat parameters (``data.image_size``) as a configuration file nests them."""
    nested: dict[str, Any] = {}
    for key, value in parameters.items():
        *sections, name = key.split(".")
        inner = nested
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = list(value) if isinstance(value, tuple) else value
    return nested


def _read_defaults(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is None or context.resilient_parsing:
        return
    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise InputError(f"{str(path)!r} holds no mapping of options")
    known = {
        parameter.name: parameter
        for parameter in context.command.get_params(context)
        if parameter.name and parameter.expose_value
    }
    if "seeds" in known and "seeds" not in content and isinstance(content.get("seed"), int):
        content["seeds"] = [content.pop("seed")]
    leaves = {name.rpartition(".")[2]: name for name in known}
    elsewhere = _names_of_all_commands(context.find_root().command)
    defaults: dict[str, Any] = {}
    unused: dict[str, None] = {}
    for name, value in _flatten(content):
        if value is None and any(one.startswith(f"{name}.") for one in (*known, *elsewhere)):
            continue  # a section whose lines are all commented out
        if name in known:
            defaults[name] = _as_typed(path, name, known[name], value)
        elif name in elsewhere and ("command" in content or name not in leaves):
            if name != "command":  # config.yaml of a run says which command made it
                unused[name.partition(".")[0]] = None
        else:  # a typo, or a name outside its section
            nearest = did_you_mean(leaves.get(name, name), known)
            raise InputError(f"{str(path)!r} has an unknown option {name!r}{nearest}")
    if unused:
        context.meta[NOTE] = (
            f"{context.command_path} does not use all of {str(path)!r}: it ignores settings of "
            f"{', '.join(unused)}"
        )
    context.default_map = defaults


config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_defaults,
    help="YAML file with any of these options, such as the config.yaml of a run; a flag given here "
    "wins.",
)
"""Gives a command ``--config FILE``: defaults for all other options from a YAML file."""


@cache
def _names_of_all_commands(program: click.Command) -> frozenset[str]:
    """Return what some command of the program takes or writes into its configuration."""
    context = click.Context(program)
    commands = program.commands.values() if isinstance(program, click.Group) else (program,)
    return frozenset(
        str(parameter.name)
        for command in commands
        for parameter in command.get_params(context)
        if parameter.expose_value
    ) | {"command", "checkpoint", "shared"}


def _as_typed(path: Path, name: str, parameter: click.Parameter, value: Any) -> Any:
    """Return a value as the command line would bring it, where ``2.7`` is no whole number."""
    if value is None and isinstance(parameter.default, str | int | float | tuple):
        raise InputError(f"{str(path)!r} gives no value for {name!r}, expected one or no such line")
    if isinstance(value, list):
        several = getattr(parameter, "multiple", False)
        if not several and not getattr(parameter.type, "takes_list", False):
            raise InputError(
                f"{str(path)!r} has the list {value!r} for {name!r}, expected one value"
            )
        return value
    return None if value is None else str(value)


def _flatten(nested: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in nested.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _type(annotation: Any) -> Any:
    """Return the click type of an annotation, which may allow None."""
    if isinstance(annotation, types.UnionType):
        (annotation,) = (part for part in annotation.__args__ if part is not type(None))
    if typing.get_origin(annotation) is Literal:
        return Choice(typing.get_args(annotation))
    if typing.get_origin(annotation) is tuple:
        return Names()
    return NUMBER if annotation is float else annotation


def _variant(value: Any) -> Variant:
    """Read ``METHOD`` or ``METHOD:NAME=VALUE,...``, values as the method's options take them."""
    from scaat.cost import Variant

    text = str(value).strip()
    method, colon, rest = text.partition(":")
    Entry("method", METHODS).convert(method, None, None)
    options = {str(option.name).rpartition(".")[2]: option for option in objective_options(method)}
    changes: dict[str, Any] = {}
    for part in rest.split(",") if colon else ():
        name, equals, content = (piece.strip() for piece in part.partition("="))
        name = name.replace("-", "_")
        if not equals or not name or not content:
            raise InputError(f"{text!r} has {part!r}, expected NAME=VALUE")
        if name not in options:
            raise InputError(
                f"method {method!r} has no option {name!r}{did_you_mean(name, options)}"
            )
        if name in changes:
            raise InputError(f"{text!r} gives {name!r} twice")
        try:
            changes[name] = options[name].type.convert(content, None, None)
        except click.BadParameter as error:
            raise InputError(f"{text!r} has a wrong {name}: {error.message.rstrip('.')}") from error
    return Variant(text, method, changes)


VARIANT = Value("method:name=value,...", _variant)
"""A method with settings of its own, such as ``scaat:steps=1``."""
