"""``scaat report``: tables, figures and the page, from results files alone."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from scaat.cli.output import Result, if_interrupted
from scaat.cli.runs import show_report
from scaat.errors import InputError
from scaat.studies.store import is_packed, unpack


@if_interrupted("every file of the report is whole; the same command writes it again")
def report(runs: tuple[Path, ...], out: Path | None) -> Result:
    """Make tables, figures and report.html from the results files in the folders RUN."""
    with ExitStack() as stack:
        folders: list[Path] = []
        for run in runs:
            if is_packed(run):
                place = stack.enter_context(TemporaryDirectory())
                folders += unpack(run, Path(place))
            else:
                folders.append(run)
        if out is None and folders != list(runs[:1]):
            raise InputError(
                f"the report of {len(folders)} runs needs a folder of its own, expected --out"
            )
        return show_report(*folders, out=out)
