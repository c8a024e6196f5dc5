"""``scaat report``: tables, figures and the page, from results files alone."""

from __future__ import annotations

from pathlib import Path

from scaat.cli.output import Result, if_interrupted
from scaat.cli.runs import show_report
from scaat.errors import InputError


@if_interrupted("every file of the report is whole; the same command writes it anew")
def report(runs: tuple[Path, ...], out: Path | None) -> Result:
    """Make tables, figures and report.html from the results files in the folders RUN."""
    if len(runs) > 1 and out is None:
        raise InputError(
            f"the report of {len(runs)} runs needs a folder of its own, expected --out"
        )
    return show_report(*runs, out=out)
