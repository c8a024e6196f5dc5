"""``scaat report``: tables, figures and the page, from results files alone."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from scaat.cli.command import SectionedCommand
from scaat.cli.interruption import if_interrupted
from scaat.cli.output import Result
from scaat.cli.runs import show_report
from scaat.errors import InputError
from scaat.studies.store import is_packed, unpack


@if_interrupted("every file of the report is whole; the same command writes it anew")
def report(runs: tuple[Path, ...], out: Path | None) -> Result:
    """Make tables, figures and report.html from the results files in the folders RUN.

    Reads results.json, per_image.npz and examples.npz of each, in RUN or RUN/evaluation, or all
    trials of a study that scaat sweep or scaat reproduce has finished; neither model nor data is
    needed. Several runs make one report: methods that were trained apart are compared, and seeds
    are pooled.
    """
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


command = SectionedCommand(
    "report",
    callback=report,
    help=report.__doc__,
    params=[
        click.Argument(
            ["runs"],
            metavar="RUN...",
            nargs=-1,
            required=True,
            type=click.Path(exists=True, file_okay=False, path_type=Path),
        ),
        click.Option(
            ["--out"],
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder for the report; the folder of the results if there is one run.",
        ),
    ],
)
