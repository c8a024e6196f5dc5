"""What a command prints: results on standard output, the rest on standard error, or less.

``--quiet`` leaves errors alone; ``--json`` makes standard output one JSON document. The options
are added to every command by `scaat.cli.command`; a command returns its result, and asks here
for a console.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from scaat.files import json_text

if TYPE_CHECKING:
    from rich.console import Console

Result = dict[str, Any]
"""What a command returns, fit for JSON."""


@dataclass
class Mode:
    """How much the command that runs now says.

    Attributes:
        quiet: No progress, no tables; errors still.
        json: Its result is one JSON document on standard output.
    """

    quiet: bool = False
    json: bool = False


class ExitWithResult(click.exceptions.Exit):
    """A command that came to a result which makes its status another than 0.

    Args:
        result: As the command would return it.
        code: The status.
    """

    def __init__(self, result: Result, code: int = 1) -> None:
        super().__init__(code)
        self.result = result


class Interrupted(Exception):  # noqa: N818  (it is no error: somebody asked for it)
    """Somebody pressed Ctrl-C; the message says what is left and how to continue."""


@contextmanager
def if_interrupted(say: str | Callable[[], str]) -> Iterator[None]:
    """Say what a Ctrl-C inside leaves; of nested ones, the innermost says it.

    Args:
        say: What follows "interrupted; ", or a function that returns it when it is needed.

    Raises:
        Interrupted: There was a Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted; {say if isinstance(say, str) else say()}") from error


def mode() -> Mode:
    """Return the mode of the command that runs now; that of a person at a terminal outside one."""
    context = click.get_current_context(silent=True)
    return Mode() if context is None else _mode_of(context)


def console(*, stderr: bool = True) -> Console:
    """Return the console for progress (standard error) or results (standard output)."""
    from rich.console import Console

    now = mode()
    return Console(stderr=stderr, quiet=now.quiet or (now.json and not stderr))


def complain(sentence: str) -> None:
    """Print a finding that makes the status another than 0: with ``--quiet``, as an error."""
    now = mode()
    if now.quiet or not now.json:
        click.echo(sentence, err=now.quiet)


def mode_options(*, json: bool) -> list[click.Option]:
    """Return ``--quiet`` and, for a command that has a result, ``--json``."""
    options = [
        _option(["--quiet", "-q"], "quiet", "Print no progress and no tables; errors still.")
    ]
    if json:
        text = "Print the result as one JSON document on standard output, and nothing else there."
        options.append(_option(["--json"], "json", text))
    return options


@contextmanager
def only_the_result() -> Iterator[None]:
    """Send what anything prints on standard output to standard error while ``--json`` holds."""
    if mode().json:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    else:
        yield


def show_result(command: str, result: Result | None) -> None:
    """Print a result as JSON if that is asked for; None is that of a process that says nothing."""
    if mode().json and result is not None:
        click.echo(json_text({"command": command, **result}), nl=False)


def _option(flags: list[str], name: str, text: str) -> click.Option:
    def note(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            setattr(_mode_of(context), name, True)

    return click.Option(
        flags, is_flag=True, is_eager=True, expose_value=False, callback=note, help=text
    )


def _mode_of(context: click.Context) -> Mode:
    kept = context.meta.setdefault(__name__, Mode())
    assert isinstance(kept, Mode)
    return kept
