"""MkDocs hook: what is declared in the code, written out where a page asks for it.

- ``<!-- commands -->``: every command of ``scaat`` with its options.
- ``<!-- public: scaat.package -->``: everything that the package exports, from its docstrings.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from scaat.cli.command import sections
from scaat.cli.commands import cli

PLACEHOLDER = re.compile(r"^<!-- (commands|public)(?:: ([\w.]+))? -->$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill the placeholders of a page."""
    return PLACEHOLDER.sub(lambda found: "\n".join(_written(found[1], found[2])), markdown)


def _written(kind: str, name: str) -> Iterator[str]:
    if kind == "commands":
        return _command(cli, click.Context(cli, info_name="scaat", **cli.context_settings))
    return _public(name)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    path = context.command_path
    yield f"## {path}\n"
    yield f"```text\n{path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    yield from (_plain(part) + "\n" for part in (command.help or "").split("\n\n"))
    titled = sections(command.get_params(context), every=True)
    for title, options in titled.items():
        if len(titled) > 1:
            anchor = f"{path} {title}".lower().replace(" ", "-")
            yield f"### {title} {{ #{anchor} }}\n"
        for option in options:
            yield from _entry(*(option.get_help_record(context) or ()))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, click.Context(inner, info_name=name, parent=context))


def _public(package: str) -> Iterator[str]:
    module = importlib.import_module(package)
    for name in module.__all__:
        found = identifier(package, name)
        if found.startswith(f"{package}."):  # what another package documents is not repeated
            yield f"::: {found}\n"


def identifier(package: str, name: str) -> str:
    """Return where an exported name is defined: some packages' files bear the names they hold."""
    value = getattr(importlib.import_module(package), name)
    if inspect.ismodule(value):  # a file that registers the function of its own name
        return f"{value.__name__}.{name}"
    ours = getattr(value, "__qualname__", None) and value.__module__.startswith("scaat.")
    return f"{value.__module__}.{value.__qualname__}" if ours else f"{package}.{name}"


def _entry(name: str, text: str) -> list[str]:
    return [f"`{name}`", f":   {_plain(text)}\n"]


def _plain(text: str) -> str:
    """Return a text in one line, whose characters mean nothing to Markdown."""
    return re.sub(r"([\\`*_<>\[\]])", r"\\\1", " ".join(text.split()))
