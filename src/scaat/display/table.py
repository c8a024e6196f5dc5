"""A table ready to print: its cells, and its forms as Markdown, LaTeX and on a terminal."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaat.display.labels import METRICS, Estimate, interval_text, value_text

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text


@dataclass(frozen=True)
class Cell:
    """A printed value, its interval, and whether it is the best of those compared."""

    value: str
    interval: str = ""
    best: bool = False
    tied: bool = False
    """No significant difference from the best: the interval of the paired difference includes 0."""
    note: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a table; rows of one ``group`` follow each other."""

    group: str
    head: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table ready to print; ``groups`` are heads over that many columns each, if any."""

    name: str
    caption: str
    note: str
    stub: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    over: str = ""
    """What the lines are grouped by; none if empty."""
    groups: tuple[tuple[str, int], ...] = ()

    @property
    def sections(self) -> list[tuple[str, list[Line]]]:
        """Return the lines by group."""
        by_group: dict[str, list[Line]] = {}
        for line in self.lines:
            by_group.setdefault(line.group, []).append(line)
        return list(by_group.items())

    @property
    def grid(self) -> list[tuple[tuple[str, ...], tuple[Cell, ...]]]:
        """Return each line's heads (its group first, where there are groups) and its cells."""
        return [
            ((line.group, line.head) if self.over else (line.head,), line.cells)
            for line in self.lines
        ]

    @property
    def heads(self) -> list[str]:
        """Return the heads of all columns, those of the lines' heads first."""
        return [*filter(None, [self.over]), self.stub, *self.columns]


def best(metric: str, estimates: Sequence[Estimate | None]) -> set[int]:
    """Return the positions of the best value: none of fewer than two, all of equal ones.

    Beside an undefined value none is the best: LeRF, not above zero there, may beat all others.
    """
    measured = {i: e.value for i, e in enumerate(estimates) if e is not None}
    values = {i: value for i, value in measured.items() if value is not None}
    if len(values) < max(2, len(measured)):
        return set()
    target = (max if METRICS[metric].better == "higher" else min)(values.values())
    return {i for i, value in values.items() if value == target}


def printed(metric: str, estimate: Estimate | None) -> tuple[str, str]:
    """Return value and interval as they are printed."""
    return value_text(METRICS[metric], estimate), interval_text(METRICS[metric], estimate)


def cells_of(
    metric: str, estimates: Sequence[Estimate | None], tied: Collection[int] = ()
) -> list[Cell]:
    """Return the cells of one metric, the best marked, and those at the ``tied`` positions."""
    winners = best(metric, estimates)
    return [
        Cell(*printed(metric, estimate), best=i in winners, tied=i in tied)
        for i, estimate in enumerate(estimates)
    ]


def lines_of(
    heads: Iterable[str], columns: Iterable[Sequence[Cell]], group: str = ""
) -> tuple[Line, ...]:
    """Return the lines of a table with these heads from the cells of its columns."""
    rows = zip(heads, zip(*columns, strict=True), strict=True)
    return tuple(Line(group, head, cells) for head, cells in rows)


def markdown(table: Table) -> str:
    """Return a table, the best values in bold."""
    heads = list(map(escape, table.heads))
    stubs = len(heads) - len(table.columns)
    lines = [heads, ["---"] * stubs + ["---:"] * len(table.columns)]
    lines += [[*map(escape, names), *map(_markdown_cell, cells)] for names, cells in table.grid]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def markdown_section(table: Table, title: str = "") -> str:
    """Return a table under its caption and what it is of, with its note below."""
    of_what = f": {escape(title)}" if title else ""
    return f"## {escape(table.caption)}{of_what}\n\n{markdown(table)}\n{escape(table.note)}"


def _markdown_cell(cell: Cell) -> str:
    value = escape(cell.value)
    value = f"**{value}**" if cell.best else f"{value} ≈" if cell.tied else value
    note = f"({escape(cell.note)})" if cell.note else ""
    return " ".join(filter(None, [value, escape(cell.interval), note]))


def escape(text: str) -> str:
    """Return ``text`` with what Markdown or HTML would act on made literal, on one line."""
    text = re.sub(r"([\\|*_`~\[\]])", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    # A bracket or star after a line's end would be read as an option of the line break.
    "*": "{*}",
    "[": "{[}",
    "]": "{]}",
    "↑": "$\\uparrow$",
    "↓": "$\\downarrow$",
    "▲": "$\\blacktriangle$",
    "▼": "$\\blacktriangledown$",
    "≈": "$\\approx$",
    "×": "$\\times$",
    "\N{MINUS SIGN}": "$-$",
    "–": "--",
    "’": "'",
    "\N{NARROW NO-BREAK SPACE}": "\\,",
    "\N{NO-BREAK SPACE}": "~",
    "⁻": "$^{-}$",
    "³": "$^{3}$",
}
_PATTERN = re.compile("⁻³|" + "|".join(map(re.escape, _SPECIAL)))


def latex(table: Table) -> str:
    """Return a ``tabular``: the best values in bold, intervals small."""
    stubs = len(table.heads) - len(table.columns)
    lines = [f"\\begin{{tabular}}{{{'l' * stubs}{'r' * len(table.columns)}}}", "\\toprule"]
    if table.groups:
        heads, rules, start = [""] * stubs, "", stubs + 1
        for name, width in table.groups:
            heads.append(f"\\multicolumn{{{width}}}{{c}}{{{_latex_escape(name)}}}")
            rules += f"\\cmidrule(lr){{{start}-{start + width - 1}}}"
            start += width
        lines += [_latex_line(heads), rules]
    lines += [_latex_line([_latex_escape(head) for head in table.heads]), "\\midrule"]
    for number, (group, of_group) in enumerate(table.sections):
        lines += ["\\addlinespace"] if number else []
        for i, line in enumerate(of_group):
            # A group is named once.
            names = [group if i == 0 else "", line.head] if table.over else [line.head]
            cells = [*map(_latex_escape, names), *map(_latex_cell, line.cells)]
            lines.append(_latex_line(cells))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _latex_escape(text: str) -> str:
    """Return ``text`` with what LaTeX would act on made literal, on one line."""
    return _PATTERN.sub(
        lambda match: "$^{-3}$" if match[0] == "⁻³" else _SPECIAL[match[0]],
        " ".join(re.split(r"[ \t\r\n\f\v]+", text)).strip(),
    )


def _latex_cell(cell: Cell) -> str:
    value = _latex_escape(cell.value)
    value = f"\\textbf{{{value}}}" if cell.best else f"{value}~$\\approx$" if cell.tied else value
    small = " ".join(filter(None, [cell.interval, f"({cell.note})" if cell.note else ""]))
    return f"{value} {{\\scriptsize {_latex_escape(small)}}}" if small else value


def _latex_line(cells: list[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def terminal_grid(
    heads: Sequence[str], rows: Iterable[Sequence[str | Text] | None], *, left: int = 1
) -> RichTable:
    """Return a table for a terminal: names are text, no markup; a row that is None is a rule.

    Heads are not shown if all are empty. The columns after the first ``left`` end at the right.
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1), show_header=any(heads)
    )
    for i, head in enumerate(heads):
        table.add_column(Text(head), justify="left" if i < left else "right")
    for row in rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def terminal_parts(table: Table, width: int) -> list[RichTable]:
    """Return a table for a terminal ``width`` cells wide: values alone, in parts that fit."""
    from rich.cells import cell_len
    from rich.text import Text

    rows = [
        [*map(Text, heads), *(Text(cell.value, "bold" if cell.best else "") for cell in cells)]
        for heads, cells in table.grid
    ]
    fixed = len(table.heads) - len(table.columns)
    widths = [
        max(cell_len(text) for text in (*head.split(), *(row[i].plain for row in rows)))
        for i, head in enumerate(table.heads)
    ]
    widths[:fixed] = [min(cells, width // (2 * fixed)) for cells in widths[:fixed]]
    shown = []
    for number, part in enumerate(parts(widths, fixed, width)):
        grid = terminal_grid(
            [table.heads[i] for i in part], [[row[i] for i in part] for row in rows], left=fixed
        )
        grid.title = None if number else Text(table.caption)
        for column, i in zip(grid.columns, part, strict=True):
            column.width = widths[i]
        shown.append(grid)
    return shown


GAP = 2  # between columns: the padding of one, and that of the box


def parts(widths: Sequence[int], fixed: int, available: int) -> list[list[int]]:
    """Return the columns of each part of a table: the first ``fixed`` ones, and what fits beside.

    All widths are in cells; a part with a single other column may be wider than ``available``.
    """
    always = list(range(fixed))
    by_part = [list(always)]
    for i in range(fixed, len(widths)):
        columns = [*by_part[-1], i]
        if sum(widths[c] + GAP for c in columns) >= available and len(by_part[-1]) > fixed:
            by_part.append([*always, i])
        else:
            by_part[-1] = columns
    return by_part
