"""``scaat report``: tables, figures and the page, from results files alone."""

from __future__ import annotations

from pathlib import Path

import click

from scaat.cli.runs import show_report


def report(results: Path) -> None:
    """Make tables, figures and report.html from the results files in the folder RESULTS.

    Reads results.json, per_image.npz and examples.npz; neither model nor data is needed.
    """
    show_report(results)


command = click.Command(
    "report",
    callback=report,
    help=report.__doc__,
    params=[
        click.Argument(["results"], type=click.Path(exists=True, file_okay=False, path_type=Path))
    ],
)
