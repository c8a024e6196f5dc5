"""Tables as LaTeX, with the rules of booktabs, to be included in a paper."""

from __future__ import annotations

import re

from scaat.report.results import Results
from scaat.report.tables.files import sections
from scaat.report.tables.table import Cell, Table

_HEAD = "% Needs \\usepackage{booktabs} and, for the triangles, \\usepackage{amssymb}.\n"

_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    # A bracket after a line's end would be read as an option of the line break.
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
            heads.append(f"\\multicolumn{{{width}}}{{c}}{{{escape(name)}}}")
            rules += f"\\cmidrule(lr){{{start}-{start + width - 1}}}"
            start += width
        lines += [_line(heads), rules]
    lines += [_line([escape(head) for head in table.heads]), "\\midrule"]
    group = table.lines[0].group if table.lines else ""
    for i, (names, cells) in enumerate(table.grid):
        first = i == 0 or table.lines[i].group != group
        if first and i:
            lines.append("\\addlinespace")
        group = table.lines[i].group
        # A group is named once.
        shown = [n if first or column else "" for column, n in enumerate(names)]
        shown = list(names) if not table.over else shown
        lines.append(_line([*map(escape, shown), *map(_cell, cells)]))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def latex_files(results: Results) -> dict[str, str]:
    """Return the text of each LaTeX file by its name: a ``tabular`` for each comparison."""
    return {
        f"{name}.tex": _HEAD
        + "\n".join(
            f"% {_comment(f'{table.caption}: {title}')}\n% {_comment(table.note)}\n{latex(table)}"
            for title, table in tables
        )
        for name, tables in sections(results).items()
    }


def escape(text: str) -> str:
    """Return ``text`` with what LaTeX would act on made literal, on one line."""
    return _PATTERN.sub(
        lambda found: "$^{-3}$" if found[0] == "⁻³" else _SPECIAL[found[0]],
        " ".join(re.split(r"[ \t\r\n\f\v]+", text)).strip(),
    )


def _cell(cell: Cell) -> str:
    value = escape(cell.value)
    value = f"\\textbf{{{value}}}" if cell.best else f"{value}~$\\approx$" if cell.tied else value
    small = " ".join(filter(None, [cell.interval, f"({cell.note})" if cell.note else ""]))
    return f"{value} {{\\scriptsize {escape(small)}}}" if small else value


def _line(cells: list[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _comment(text: str) -> str:
    return " ".join(text.split())
