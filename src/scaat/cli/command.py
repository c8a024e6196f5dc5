"""What every command shares: help in sections, ``--quiet``, ``--json``, and words for Ctrl-C."""

from __future__ import annotations

from typing import Any

import click

from scaat.cli.interruption import Interrupted
from scaat.cli.options import section_of
from scaat.cli.output import ExitWithResult, mode_options, only_the_result, show_result
from scaat.errors import did_you_mean

TITLES = {"data": "Data", "training": "Training", "evaluation": "Evaluation"}


class SectionedCommand(click.Command):
    """Writes the command's own options first, then a section for each part of a configuration.

    What its callback returns is its result: `scaat.cli.output.Result`, or None for none.

    Args:
        *arguments: As `click.Command` takes them.
        has_result: Whether there is a result, and so ``--json``.
        **options: As `click.Command` takes them.
    """

    def __init__(self, *arguments: Any, has_result: bool = True, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params += mode_options(json=has_result)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command, and print its result if it is asked for as JSON.

        Returns nothing: what a click command returns is taken for its status.
        """
        name = ctx.command_path.partition(" ")[2]
        try:
            with only_the_result():
                result = super().invoke(ctx)
        except ExitWithResult as stop:
            show_result(name, stop.result)
            raise
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted") from error
        show_result(name, result)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under one heading a section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                section = section_of(parameter.name or "")
                title = TITLES.get(section, f"Method {section}" if section else "Options")
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class SectionedGroup(click.Group):
    """A group of such commands, which knows the nearest name to a misspelt one."""

    command_class = SectionedCommand

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, or fail with the nearest name."""
        command = super().get_command(ctx, cmd_name)
        if command is None and not ctx.resilient_parsing:
            ctx.fail(f"No such command {cmd_name!r}{did_you_mean(cmd_name, self.commands)}.")
        return command
