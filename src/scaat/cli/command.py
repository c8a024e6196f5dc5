"""What every command shares: help in sections, ``--quiet``, ``--json``, and words for Ctrl-C."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pkgutil import resolve_name
from typing import Any

import click

from scaat.cli.options import NOTE, Setting, all_objective_options
from scaat.cli.output import ExitWithResult, Interrupted, Result, mode, mode_options
from scaat.docstrings import argument_help
from scaat.errors import did_you_mean
from scaat.files import json_text
from scaat.hardware import keep_freed_memory

SHORT = f"{__name__}.short"  # where a context notes that help shows the common options alone


class Command(click.Command):
    """A command that lists its own options first, then each section of a configuration.

    The help of its own options may be in the ``Args`` of the decorated function's docstring.
    ``--help`` shows the common options without importing torch. The callback returns a `Result`,
    or None for none. Further arguments are those of `click.Command`.

    Args:
        settings: Options with a place in configuration files, after those of its own.
        takes_methods: Whether it takes the options of every training method, too.
        has_result: Whether there is a result, and so ``--json``.
        runs: The function in `scaat.cli` that does it, such as ``"train:compare"``, which is
            imported when the command runs; the decorated function then only documents it.
    """

    def __init__(
        self,
        *arguments: Any,
        settings: Sequence[click.Option] = (),
        takes_methods: bool = False,
        has_result: bool = True,
        runs: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        docstring = inspect.cleandoc(self.help or "")
        self.help = docstring.partition("\n\nArgs:\n")[0]
        own = {option.name: option for option in self.params if isinstance(option, click.Option)}
        for name, text in argument_help(docstring).items():
            own[name].help = text
        if runs is not None:
            self.callback = lambda **given: resolve_name(f"scaat.cli.{runs}")(**given)
        self.takes_methods = takes_methods
        self.params += [*mode_options(json=has_result), *settings]
        if any(not getattr(option, "common", True) for option in settings):
            click.help_option("--help-all", help="Show every option and exit.")(self)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all parameters, those of training methods at the end; short help has none."""
        methods = self.takes_methods and not ctx.meta.get(SHORT)
        return [*super().get_params(ctx), *(all_objective_options() if methods else ())]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; short help comes before all else, since it does not wait for the methods."""
        if not ctx.resilient_parsing and not {*ctx.help_option_names}.isdisjoint(args):
            ctx.meta[SHORT] = True
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command and print its result as JSON if asked; a return would be its status."""
        if NOTE in ctx.meta and not mode().quiet:
            click.echo(f"note: {ctx.meta[NOTE]}", err=True)
        keep_freed_memory()
        try:
            # What a library prints must not be in the one JSON document.
            with redirect_stdout(sys.stderr) if mode().json else nullcontext():
                result = super().invoke(ctx)
        except ExitWithResult as stop:
            _show_result(ctx, stop.result)
            raise
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted") from error
        _show_result(ctx, result)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the common options under one heading a section, or all of them."""
        every = not ctx.meta.get(SHORT)
        for title, options in sections(self.get_params(ctx), every=every).items():
            with formatter.section(title):
                records = [option.get_help_record(ctx) for option in options]
                formatter.write_dl([record for record in records if record is not None])
        if not every and any(parameter.name == "help_all" for parameter in self.params):
            formatter.write_paragraph()
            formatter.write_text(f"Every option: {ctx.command_path} --help-all")
            if self.takes_methods:
                formatter.write_text("Options of a training method: scaat methods scaat")


def _show_result(context: click.Context, result: Result | None) -> None:
    """Print a result as JSON if that is asked for; None is that of a process that says nothing."""
    if mode().json and result is not None:
        name = context.command_path.partition(" ")[2]
        click.echo(json_text({"command": name, **result}), nl=False)


class Group(click.Group):
    """A group of such commands, which suggests the nearest name for an unknown one."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a typical session, as they were declared."""
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, or fail with the nearest name."""
        command = super().get_command(ctx, cmd_name)
        if command is None and not ctx.resilient_parsing:
            ctx.fail(f"No such command {cmd_name!r}{did_you_mean(cmd_name, self.commands)}.")
        return command


Group.group_class = Group


def sections(
    parameters: Sequence[click.Parameter], *, every: bool
) -> dict[str, list[click.Option]]:
    """Return the options by the title of their section; without ``every``, the common ones."""
    titled: dict[str, list[click.Option]] = {}
    for option in parameters:
        if isinstance(option, click.Option) and (every or getattr(option, "common", True)):
            title = option.title if isinstance(option, Setting) else "Options"
            titled.setdefault(title, []).append(option)
    return titled
