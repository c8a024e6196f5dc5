"""List the public names of scaat with their parameters; keep the record that the tests compare.

    python scripts/public_api.py  # adds what is new to the record and to the page

The record (`tests/public_api.json`) is only ever added to. What leaves the package on purpose,
after its deprecation, is cut from it by hand, where a reviewer sees it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

import scaat
from scaat.cli.commands import cli
from scaat.registry import Registry

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests" / "public_api.json"
PAGE = ROOT / "docs" / "reference" / "stable-api.md"
START, END = "<!-- names: python scripts/public_api.py -->", "<!-- end of names -->"

Parameters = list[str]
"""``image``, ``steps=`` (has a default), ``*`` (keywords follow), ``*args``, ``**options``."""

Api = dict[str, dict[str, Parameters | None]]
"""By module the parameters of each public name, None for what is not called."""


def current_api() -> Api:
    """Return the public names of the package as it is now."""
    return {module: dict(sorted(_names(module))) for module in _modules()} | {
        "command line": _cli()
    }


def _modules() -> list[str]:
    """Return the modules that say what is public: at the top, and one for each integration."""
    top = [name for _, name, _ in pkgutil.iter_modules(scaat.__path__, "scaat.")]
    names = ["scaat", *(name for name in top if not name.endswith("__main__"))]
    if "scaat.integrations" in names:
        path = importlib.import_module("scaat.integrations").__path__
        names += [name for _, name, _ in pkgutil.iter_modules(path, "scaat.integrations.")]
    return [name for name in names if hasattr(importlib.import_module(name), "__all__")]


def _names(module: str) -> Iterable[tuple[str, Parameters | None]]:
    holder = importlib.import_module(module)
    for name in holder.__all__:
        value = getattr(holder, name)
        yield name, _parameters(value)
        if isinstance(value, Registry):
            yield from ((f"{name}[{entry}]", None) for entry in value)
        if inspect.isclass(value):
            yield from ((f"{name}.{member}", found) for member, found in _members(value).items())


def _members(kind: type) -> dict[str, Parameters | None]:
    """Return the public methods and attributes that scaat's own classes give ``kind``."""
    members: dict[str, Parameters | None] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("scaat"):
            continue
        own = dict.fromkeys(inspect.get_annotations(base)) | dict(vars(base))
        for name, value in own.items():
            if not name.startswith("_"):
                function = getattr(value, "__func__", value)  # of a static or class method
                members[name] = _parameters(function) if inspect.isfunction(function) else None
    return members


def _parameters(value: Any) -> Parameters | None:
    if not callable(value):
        return None
    try:
        found = inspect.signature(value).parameters.values()
    except ValueError:  # the exceptions of Python itself have none
        return None
    parameters, keywords = [], False
    for parameter in found:
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            parameters.append(f"*{parameter.name}")
            keywords = True
        elif parameter.kind is parameter.VAR_KEYWORD:
            parameters.append(f"**{parameter.name}")
        else:
            if parameter.kind is parameter.KEYWORD_ONLY and not keywords:
                parameters.append("*")
                keywords = True
            optional = "" if parameter.default is parameter.empty else "="
            parameters.append(parameter.name + optional)
    return parameters


def _cli() -> dict[str, Parameters | None]:
    context = click.Context(cli)
    commands: dict[str, Parameters | None] = {}
    for name in cli.list_commands(context):
        commands |= _command(cli.get_command(context, name), f"scaat {name}")
    return commands


def _command(command: Any, name: str) -> dict[str, Parameters | None]:
    """Return the options of a command, or those of each of a group's."""
    if hasattr(command, "commands"):
        return {
            key: value
            for inner in command.commands.values()
            for key, value in _command(inner, f"{name} {inner.name}").items()
        }
    flags = {
        flag: parameter.required
        for parameter in command.get_params(click.Context(command))
        if parameter.name not in ("help", "help_all")
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    return {name: ["*", *sorted(flag + ("" if needed else "=") for flag, needed in flags.items())]}


def broken(before: Api, now: Api) -> list[str]:
    """Return what a program written for ``before`` would miss ``now``, in words."""
    faults = []
    for module, names in before.items():
        for name, parameters in names.items():
            if name not in now.get(module, {}):
                faults.append(f"{module}: {name} is gone")
                continue
            found = now[module][name]
            if parameters is not None and found is None:
                faults.append(f"{module}: {name} cannot be called any more")
            elif parameters is not None and found is not None:
                faults += [f"{module}: {name} {fault}" for fault in _lost(parameters, found)]
    return faults


def _lost(before: Parameters, now: Parameters) -> list[str]:
    (places, known, rest), (places_now, known_now, rest_now) = _read(before), _read(now)
    faults = [f"no longer takes {name}" for name in known if name not in known_now]
    faults += [f"no longer takes {name}" for name in rest - rest_now]
    faults += [
        f"needs {name}, which had a default or did not exist"
        for name, optional in known_now.items()
        if not optional and known.get(name, True)
    ]
    if not faults and places_now[: len(places)] != places:
        faults.append(f"takes ({', '.join(places_now)}) in another order than {places}")
    return faults


def _read(parameters: Parameters) -> tuple[list[str], dict[str, bool], set[str]]:
    """Return positional names in order, all names with whether they have a default, and rests."""
    places: list[str] = []
    known: dict[str, bool] = {}
    keywords = False
    for parameter in parameters:
        if parameter.startswith("*"):
            keywords = True
        else:
            name = parameter.removesuffix("=")
            known[name] = parameter.endswith("=")
            places += [] if keywords else [name]
    return places, known, {p for p in parameters if p.startswith("*") and p != "*"}


def page_part(api: Api) -> str:
    """Return the part of the page that lists the names."""
    parts = []
    for module, names in api.items():
        outer = [name for name in names if "." not in name and "[" not in name]
        parts.append(f"**`{module}`**: {', '.join(f'`{name}`' for name in outer)}")
        entries = [name.partition("[")[2][:-1] for name in names if "[" in name]
        if entries:
            parts.append(f"By name: {', '.join(f'`{entry}`' for entry in entries)}")
    return "\n\n".join(parts)


def record_text(api: Api) -> str:
    """Return the record as JSON with one name on a line, so that changes are read easily."""
    modules = []
    for module, names in api.items():
        lines = [f"  {json.dumps(name)}: {json.dumps(found)}" for name, found in names.items()]
        modules.append(f" {json.dumps(module)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(modules) + "\n}\n"


def write() -> None:
    """Add what is new to the record, and list all on the page."""
    now = current_api()
    before: Api = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if faults := broken(before, now):
        raise SystemExit(
            "\n".join([*faults, f"Deprecate first: see {PAGE.name}; then cut it from the record."])
        )
    RECORD.write_text(record_text(now))
    head, _, tail = PAGE.read_text().partition(START)
    PAGE.write_text(f"{head}{START}\n\n{page_part(now)}\n\n{END}{tail.partition(END)[2]}")


if __name__ == "__main__":
    write()
