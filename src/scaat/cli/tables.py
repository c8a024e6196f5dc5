"""A study's table on the terminal."""

from __future__ import annotations

from scaat.cli.output import console
from scaat.display.table import Table, terminal_parts


def show_table(table: Table) -> None:
    """Print a table on standard output, a wide one in parts that each repeat the lines' heads."""
    output = console(stderr=False)
    for part in terminal_parts(table, output.width):
        output.print(part)
