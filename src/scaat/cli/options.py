"""Command-line options made from what the layers declare: dataclasses and constructors.

An option is declared once, where it is used; its flag, its place in a configuration file and
its help follow from there.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import click

from scaat.cli.names import COMPLETIONS
from scaat.cli.types import NAMES, NUMBER, Choice
from scaat.errors import InputError, did_you_mean
from scaat.files import read_yaml

NOT_OPTIONS = ("self", "num_samples", "reference", "training_steps", "bounds")
"""Arguments of an objective that follow from the data and the length of the training."""


def dataclass_options(section: str, options: type, prefix: str = "") -> list[click.Option]:
    """Return an option for each field of a dataclass.

    Args:
        section: Where the field stands in a configuration file.
        options: The dataclass; each field's metadata has its ``help``.
        prefix: Put before the flag's name where it would clash with another section's.
    """
    hints = typing.get_type_hints(options)
    return [
        _option(
            f"{prefix}{field.name}",
            f"{section}.{field.name}",
            hints[field.name],
            field.default,
            field.metadata["help"],
        )
        for field in dataclasses.fields(options)
    ]


def objective_options(method: str) -> list[click.Option]:
    """Return an option ``--METHOD.NAME`` for each keyword of an objective's constructor."""
    from scaat.objectives import objective_options as options_of
    from scaat.objectives import objectives

    return [
        _option(
            f"{method}.{name}",
            f"objectives.{method}.{name}",
            option.annotation,
            option.default,
            option.help,
        )
        for name, option in options_of(objectives[method]).items()
        if name not in NOT_OPTIONS
    ]


def gather(parameters: dict[str, Any]) -> dict[str, Any]:
    """Nest click's flat parameters (``data__name``) as a configuration file nests them."""
    nested: dict[str, Any] = {}
    for key, value in parameters.items():
        *sections, name = _decode(key).split(".")
        inner = nested
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = list(value) if isinstance(value, tuple) else value
    return nested


def section_of(name: str) -> str:
    """Return the section that click's parameter ``name`` stands in, or ``""``.

    For an option of a method that is the method's name.
    """
    section = _decode(name).rpartition(".")[0]
    return section.removeprefix("objectives.")


def config_option() -> click.Option:
    """Return ``--config FILE``: defaults for all other options from a YAML file."""

    def load(context: click.Context, _: click.Parameter, path: Path | None) -> None:
        if path is not None:
            context.default_map = _read_defaults(context, path)

    return click.Option(
        ["--config"],
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=load,
        help="YAML file with any of these options; a flag given here wins. Every run writes "
        "its own as config.yaml.",
    )


def _read_defaults(context: click.Context, path: Path) -> dict[str, Any]:
    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise InputError(f"{str(path)!r} holds no mapping of options")
    known = {
        _decode(parameter.name): parameter
        for parameter in context.command.params
        if parameter.name and parameter.expose_value
    }
    defaults = {}
    for name, value in _flatten(content):
        if name == "command":
            continue  # config.yaml of a run says which command made it
        if name not in known:
            raise InputError(
                f"{str(path)!r} has an unknown option {name!r}{did_you_mean(name, known)}"
            )
        parameter = known[name]
        assert parameter.name is not None
        defaults[parameter.name] = _as_typed(path, name, parameter, value)
    return defaults


def _as_typed(path: Path, name: str, parameter: click.Parameter, value: Any) -> Any:
    """Return a value as the command line would bring it, where ``2.7`` is no whole number."""
    if value is None and parameter.default is not None:
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


def _option(flag: str, path: str, annotation: Any, default: Any, text: str) -> click.Option:
    flag = flag.replace("_", "-")
    declaration = f"--{flag}/--no-{flag}" if annotation is bool else f"--{flag}"
    kind, is_optional = _type(annotation)
    return click.Option(
        [declaration, _encode(path)],
        type=kind,
        default=default,
        show_default=not is_optional or default is not None,
        help=text,
        shell_complete=COMPLETIONS.get(path),
    )


def _type(annotation: Any) -> tuple[Any, bool]:
    """Return the click type of an annotation, and whether None is allowed."""
    if isinstance(annotation, types.UnionType):
        (inner,) = (part for part in annotation.__args__ if part is not type(None))
        return _type(inner)[0], True
    if typing.get_origin(annotation) is Literal:
        return Choice(typing.get_args(annotation)), False
    if typing.get_origin(annotation) is tuple:
        return NAMES, False
    return {float: NUMBER, int: click.INT, str: click.STRING, bool: click.BOOL}[annotation], False


def _encode(path: str) -> str:
    # click keeps names as they are, but shows them nowhere: dots and dashes need not survive.
    return path.replace(".", "__").replace("-", "_dash_")


def _decode(name: str) -> str:
    return name.replace("__", ".").replace("_dash_", "-")
