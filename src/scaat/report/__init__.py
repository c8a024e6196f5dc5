"""Tables, figures and a self-contained HTML report, made from results files alone."""

from __future__ import annotations

from scaat.display.labels import Estimate
from scaat.report.page import write_report
from scaat.report.reading import find_results, read_results
from scaat.report.results import Comparison, Results, Row
from scaat.report.tables import lattice_lines, terminal_table

__all__ = [
    "Comparison",
    "Estimate",
    "Results",
    "Row",
    "find_results",
    "lattice_lines",
    "read_results",
    "terminal_table",
    "write_report",
]
