"""Tables as GitHub-flavoured Markdown."""

from __future__ import annotations

import re

from scaat.report.results import Results
from scaat.report.tables.files import sections
from scaat.report.tables.table import Cell, Table


def markdown(table: Table) -> str:
    """Return a table, the best values in bold."""
    heads = list(map(escape, table.heads))
    stubs = len(heads) - len(table.columns)
    lines = [heads, ["---"] * stubs + ["---:"] * len(table.columns)]
    lines += [[*map(escape, names), *map(_cell, cells)] for names, cells in table.grid]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def markdown_files(results: Results) -> dict[str, str]:
    """Return the text of each Markdown file by its name: a section for each comparison."""
    return {
        f"{name}.md": "\n".join(
            f"## {table.caption}: {escape(title)}\n\n{markdown(table)}\n{escape(table.note)}\n"
            for title, table in tables
        )
        for name, tables in sections(results).items()
    }


def _cell(cell: Cell) -> str:
    value = escape(cell.value)
    value = f"**{value}**" if cell.best else f"{value} ≈" if cell.tied else value
    note = f"({escape(cell.note)})" if cell.note else ""
    return " ".join(filter(None, [value, escape(cell.interval), note]))


def escape(text: str) -> str:
    """Return ``text`` with what Markdown or HTML would act on made literal, on one line."""
    text = re.sub(r"([\\|*_`~\[\]])", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
