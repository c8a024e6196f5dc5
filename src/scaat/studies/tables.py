"""What the tables of studies share."""

from __future__ import annotations

from scaat.display.labels import METRICS
from scaat.display.table import Table, escape, markdown


def markdown_section(table: Table) -> str:
    """Return a table under its caption, with its note below."""
    return f"## {escape(table.caption)}\n\n{markdown(table)}\n{escape(table.note)}"


def head(key: str) -> str:
    """Return a metric's short name, unit and arrow."""
    metric = METRICS[key]
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.short or metric.name}{unit} {metric.arrow}"
