"""A study's table on the terminal: values without their intervals, in parts where it is wide."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.table import Table as RichTable
from rich.text import Text

from scaat.cli.output import console
from scaat.report.tables.table import Table

_GAP = 2  # between columns: the padding of one, and the box's


def show_table(table: Table) -> None:
    """Print a table on standard output, wide ones in parts that each repeat the lines' heads."""
    output = console(stderr=False)
    rows = [
        [*map(Text, heads), *(Text(cell.value, "bold" if cell.best else "") for cell in cells)]
        for heads, cells in table.grid
    ]
    fixed = len(table.heads) - len(table.columns)
    widths = [
        max(cell_len(text) for text in (*head.split(), *(row[i].plain for row in rows)))
        for i, head in enumerate(table.heads)
    ]
    widths[:fixed] = [min(width, output.width // (2 * fixed)) for width in widths[:fixed]]
    for number, part in enumerate(parts(widths, fixed, output.width)):
        shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
        shown.title = None if number else Text(table.caption)
        for i in part:
            shown.add_column(
                Text(table.heads[i]),
                justify="left" if table.heads[i] == table.stub else "right",
                width=widths[i],
            )
        for row in rows:
            shown.add_row(*(row[i] for i in part))
        output.print(shown)


def parts(widths: Sequence[int], fixed: int, available: int) -> list[list[int]]:
    """Return the columns of each part of a table: the first ``fixed`` ones, and what fits beside.

    Args:
        widths: Of the columns, in cells.
        fixed: So many columns are in every part.
        available: Cells of a line; a part takes more if it has no more than one other column.
    """
    always = list(range(fixed))
    found = [list(always)]
    for i in range(fixed, len(widths)):
        columns = [*found[-1], i]
        if sum(widths[c] + _GAP for c in columns) >= available and len(found[-1]) > fixed:
            found.append([*always, i])
        else:
            found[-1] = columns
    return found
