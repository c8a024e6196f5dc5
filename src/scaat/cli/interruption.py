"""Ctrl-C, in one line that is true of what the command was doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupted(Exception):  # noqa: N818  (it is no error: somebody asked for it)
    """Somebody pressed Ctrl-C; the message says what is left and how to go on."""


@contextmanager
def if_interrupted(say: str | Callable[[], str]) -> Iterator[None]:
    """Say what a Ctrl-C inside leaves; of nested ones, the innermost says it.

    Args:
        say: What follows "interrupted; ", or what finds it out when it is needed.

    Raises:
        Interrupted: There was a Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted; {say if isinstance(say, str) else say()}") from error
