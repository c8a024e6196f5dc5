"""A command whose help lists its options by what they are about."""

from __future__ import annotations

import click

from scaat.cli.options import section_of

TITLES = {"data": "Data", "training": "Training", "evaluation": "Evaluation"}


class SectionedCommand(click.Command):
    """Writes the command's own options first, then a section for each part of a configuration."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under one heading a section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                section = section_of(parameter.name or "")
                title = TITLES.get(section, f"Method {section}" if section else "Options")
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
