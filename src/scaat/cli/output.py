"""What a command prints: results on standard output, the rest on standard error, or less."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from scaat.display.table import Table

Result = dict[str, Any]
"""What a command returns, fit for JSON."""


@dataclass(frozen=True)
class Mode:
    """How much the command that runs now says."""

    quiet: bool = False  # no progress, no tables; errors still
    json: bool = False  # its result is one JSON document on standard output


class ExitWithResult(click.exceptions.Exit):
    """A command that came to a result, as it would return it, which makes its status 1."""

    def __init__(self, result: Result) -> None:
        super().__init__(1)
        self.result = result


class Interrupted(Exception):  # noqa: N818  (it is no error: somebody asked for it)
    """Somebody pressed Ctrl-C; the message says what is left and how to continue."""


@contextmanager
def if_interrupted(say: str | Callable[[], str]) -> Iterator[None]:
    """Say, after "interrupted; ", what a Ctrl-C inside leaves; of nested ones the innermost."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted; {say if isinstance(say, str) else say()}") from error


def mode() -> Mode:
    """Return the mode of the command that runs now; that of a person at a terminal outside one."""
    context = click.get_current_context(silent=True)
    return Mode() if context is None else context.meta.get(__name__, Mode())


def console(*, stderr: bool = True) -> Console:
    """Return the console for progress (standard error) or results (standard output)."""
    from rich.console import Console

    now = mode()
    return Console(stderr=stderr, quiet=now.quiet or (now.json and not stderr))


@contextmanager
def progress(work: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on standard error; yields a function of a part of the work, its done and total."""
    from rich import progress as rich

    with rich.Progress(
        rich.TextColumn("{task.description}", markup=False),  # a name in brackets is none
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
        console=console(),
    ) as bar:
        task = bar.add_task(work, total=None)
        yield lambda part, done, total: bar.update(
            task, description=f"{work}, {part}", completed=done, total=total
        )


def say(*lines: str) -> None:
    """Print lines of a result as they are: not wrapped, without markup and colours."""
    for line in lines:
        console(stderr=False).print(line, soft_wrap=True, highlight=False, markup=False)


def show_table(table: Table) -> None:
    """Print a table on standard output, a wide one in parts that each repeat the lines' heads."""
    from scaat.display.table import terminal_parts

    output = console(stderr=False)
    for part in terminal_parts(table, output.width):
        output.print(part)


def complain(sentence: str) -> None:
    """Print a finding that makes the status another than 0: with ``--quiet``, as an error."""
    now = mode()
    if now.quiet or not now.json:
        click.echo(sentence, err=now.quiet)


def is_first_to_fail() -> bool:
    """Whether no other process of this start of torchrun's has asked before.

    The others fail for the same reason, or because the first has ended.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    with suppress(RuntimeError):  # torchrun itself has ended
        store = TCPStore(address, port, timeout=timedelta(seconds=10))
        start = os.environ.get("TORCHELASTIC_RESTART_COUNT")
        return int(store.add(f"scaat/failed/{start}", 1)) == 1
    return True


def mode_options(*, json: bool) -> list[click.Option]:
    """Return ``--quiet`` and, for a command that has a result, ``--json``."""

    def note(context: click.Context, option: click.Parameter, value: bool) -> None:
        if value:
            now = context.meta.get(__name__, Mode())
            context.meta[__name__] = replace(now, **{str(option.name): True})

    flag = partial(click.Option, is_flag=True, is_eager=True, expose_value=False, callback=note)
    quiet = flag(["--quiet", "-q"], help="Print no progress and no tables; errors still.")
    if not json:
        return [quiet]
    text = "Print the result as one JSON document on standard output, and nothing else there."
    return [quiet, flag(["--json"], help=text)]
