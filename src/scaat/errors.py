"""Errors that the command line reports in one sentence, and the nearest name to a misspelt one."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "InputError",
    "MemoryExhaustedError",
    "NonFiniteLossError",
    "TrainingStopped",
    "WriteError",
]


class InputError(ValueError):
    """The user's input is at fault.

    The message is one sentence that names the file, option or tensor, what was found and what
    was expected. The command line prints it and exits with status 2.
    """


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite; the message names epoch, step and samples."""


class MemoryExhaustedError(RuntimeError):
    """Memory ran out; the message says what to lower."""


class WriteError(RuntimeError):
    """A file cannot be written; the message names it and says why."""


class TrainingStopped(Exception):  # noqa: N818  (it is no error: somebody asked for it)
    """A signal ended a training, which can resume from the checkpoint that was written.

    Args:
        signal_number: The signal's number.
        step: Optimiser steps that were made; None if it ended several trainings, or none.
    """

    def __init__(self, signal_number: int, step: int | None) -> None:
        super().__init__(signal_number, step)
        self.signal_number = signal_number
        self.step = step

    def __str__(self) -> str:
        name = signal.Signals(self.signal_number).name
        where = "" if self.step is None else f" after step {self.step}"
        return f"stopped by {name}{where}; the same command with --resume continues from there"


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error for a name that is not among the ``known`` ones of its kind."""
    names = list(known)
    return InputError(
        f"unknown {kind} {name!r}{did_you_mean(name, names)}; known: {', '.join(names)}"
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name nearest to ``name``, or ``""``."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
