"""Progress bars on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from scaat.cli.output import console
from scaat.oom import translate_oom

Show = Callable[[str, int, int], None]
"""Called with the name of the current part, its images done, and their number."""


@contextmanager
def image_progress(verb: str) -> Iterator[Show]:
    """Show a bar that follows the images of a data set's parts.

    Args:
        verb: What is done with the images.
    """
    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with _bar(f"{verb} ", *columns) as show:
        yield show


@contextmanager
def evaluation_progress(title: str) -> Iterator[Show]:
    """Show a bar while a model is evaluated, and raise a readable error if memory runs out.

    Yields:
        The ``progress`` argument of `scaat.evaluation.evaluate`.
    """
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with (
        _bar(f"evaluate {title}, ", *columns) as show,
        translate_oom("the evaluation", ["eval_batch_size", "eval_images"]),
    ):
        yield show


@contextmanager
def _bar(text: str, *columns: ProgressColumn) -> Iterator[Show]:
    """Show a bar with some columns; ``text`` precedes the name of the part."""
    with Progress(TextColumn("{task.description}"), *columns, console=console()) as progress:
        task = progress.add_task(text.rstrip(", "), total=None)

        def show(part: str, done: int, total: int) -> None:
            progress.update(task, description=f"{text}{part}", completed=done, total=total)

        yield show
