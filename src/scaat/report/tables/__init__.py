"""The report's tables, and the forms in which they are written."""

from __future__ import annotations

from scaat.report.tables.csv_files import csv_files
from scaat.report.tables.latex import latex_files
from scaat.report.tables.markdown import markdown_files
from scaat.report.tables.table import Cell, Line, Table, title
from scaat.report.tables.terminal import terminal_table

__all__ = [
    "Cell",
    "Line",
    "Table",
    "csv_files",
    "latex_files",
    "markdown_files",
    "terminal_table",
    "title",
]
