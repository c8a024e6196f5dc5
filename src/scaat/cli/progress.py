"""A bar that follows the images of a data set's parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scaat.cli.output import console


@contextmanager
def image_progress(verb: str) -> Iterator[ImageProgress]:
    """Show a bar on standard error during the work.

    Args:
        verb: What is done with the images.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console()) as progress:
        yield ImageProgress(progress, verb)


class ImageProgress:
    """Called with the part at work, its images done, and their number."""

    def __init__(self, progress: Progress, verb: str) -> None:
        self.progress = progress
        self.verb = verb
        self.task = progress.add_task(verb, total=None)

    def __call__(self, part: str, done: int, total: int) -> None:
        """Show how far a part is."""
        self.progress.update(
            self.task, description=f"{self.verb} {part}", completed=done, total=total
        )
