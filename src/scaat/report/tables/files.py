"""The tables that are written to files, by file and in order."""

from __future__ import annotations

from scaat.report.findings import findings
from scaat.report.pooling import pools
from scaat.report.results import Results
from scaat.report.tables.making import (
    comparison_table,
    differences_table,
    further_tables,
    long_table,
    performance_table,
)
from scaat.report.tables.pooled import pooled_tables
from scaat.report.tables.table import Table, title


def sections(results: Results) -> dict[str, list[tuple[str, Table]]]:
    """Return the tables of each file, each with the title of what it is of."""
    found: dict[str, list[tuple[str, Table]]] = {}
    for comparison in results.comparisons:
        made = [comparison_table(comparison), performance_table(comparison)]
        if pairs := findings(comparison).pairs:
            made.append(differences_table(comparison, [(p.method, p.other) for p in pairs]))
        made += [*further_tables(comparison), long_table(comparison)]
        for table in made:
            found.setdefault(table.name, []).append((title(comparison, results), table))
    for pool in pools(results):
        first = pool.comparisons[0]
        for table in pooled_tables(pool):
            found.setdefault(table.name, []).append((f"{first.data}, {first.model}", table))
    return found
