"""What stops a training: signals, exhausted memory, failed processes."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

import lightning as L
import torch
from torch import distributed
from torch.multiprocessing.spawn import ProcessRaisedException

from scaat.errors import (
    InputError,
    MemoryExhaustedError,
    NonFiniteLossError,
    TrainingStopped,
    WriteError,
)
from scaat.oom import translate_oom
from scaat.options.training import TrainingOptions

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Windows has no SIGUSR1."""

_PATIENCE = 2.0  # seconds for a process to end by itself
_EVERY = 10  # steps after which several processes ask one another


class StopRequest:
    """Whether a signal has asked this process, or another of the training, to stop."""

    def __init__(self) -> None:
        self.number = 0
        self._former: dict[int, Any] = {}

    def listen(self) -> None:
        """Note signals instead of dying of them; only a program's main thread can."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            self._former[number] = signal.signal(number, self._note)

    def restore(self) -> None:
        """Treat signals as before `listen`."""
        for number, handler in self._former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._former = {}

    def agreed(self, trainer: L.Trainer, *, at_once: bool = False) -> int:
        """Return the signal that came to any process, the same on all of them, or 0.

        Several processes ask after every tenth step only: it is a collective. ``at_once`` asks now.
        """
        if trainer.world_size == 1:
            return self.number
        if trainer.global_step % _EVERY and not at_once:
            return 0
        number = torch.tensor(self.number, device=trainer.strategy.root_device)
        distributed.all_reduce(number, distributed.ReduceOp.MAX)
        return int(number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number


@contextmanager
def signals_for_children() -> Iterator[list[int]]:
    """Hand signals on to the processes that this one spawned, and yield the list of those to come.

    Ctrl-C ends them with this one, also where the terminal has not told them.
    """
    received: list[int] = []

    def hand_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for child in multiprocessing.active_children():
            if child.pid is not None:
                os.kill(child.pid, number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    former = {number: signal.signal(number, hand_on) for number in SIGNALS}
    try:
        yield received
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the second of the first
        _end(multiprocessing.active_children())
        raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _end(children: Sequence[BaseProcess]) -> None:
    """Interrupt processes, and kill those that do not end soon: nothing waits for them."""
    for child in children:
        if child.pid is not None:
            os.kill(child.pid, signal.SIGINT)
    until = time.monotonic() + _PATIENCE
    for child in children:
        child.join(max(0.0, until - time.monotonic()))
        child.kill()


@contextmanager
def translate_errors(options: TrainingOptions) -> Iterator[None]:
    """Translate exhausted memory and errors of spawned processes into errors of this package.

    Raises:
        MemoryExhaustedError: Memory ran out; the message says what to lower.
        WriteError: A log cannot be written.
        InputError: An operation is not deterministic, or batch norm has a batch of a single value.
        KeyboardInterrupt: Ctrl-C was pressed.
        Any error of this package that a spawned process raised, which arrives as text.
    """
    try:
        with translate_oom("training", _advice(options)):
            yield
    except ProcessRaisedException as error:
        _raise_again(error)
        raise
    except OSError as error:  # of a logger of Lightning's
        raise WriteError(f"{error.filename or 'a log'} cannot be written ({error})") from error
    except RuntimeError as error:
        if "does not have a deterministic implementation" not in str(error):
            raise
        operation = str(error).partition(" does not")[0]
        raise InputError(
            f"deterministic is set, but {operation} has no deterministic implementation on this "
            "device; expected another model, or no such option"
        ) from error
    except ValueError as error:
        if "Expected more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            "batch norm found a batch of one image, whose values have no spread; expected a "
            f"batch_size (now {options.batch_size}) that does not leave one image over"
        ) from error
    except SystemExit as error:
        # What Lightning makes of Ctrl-C.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


def _advice(options: TrainingOptions) -> list[str]:
    lower = [
        f"batch_size (now {options.batch_size}; accumulate {2 * options.accumulate} with half of "
        "it makes the same steps)",
        "image_size",
    ]
    if options.precision == "32":
        lower.append("precision (bf16 halves what a pass keeps)")
    return lower


def _raise_again(error: ProcessRaisedException) -> None:
    """Raise our own error that ended a process, if its text shows one."""
    kinds = {
        kind.__name__: kind
        for kind in (InputError, NonFiniteLossError, MemoryExhaustedError, WriteError)
    }
    names = "|".join((*kinds, TrainingStopped.__name__))
    match = re.search(rf"^scaat\.errors\.({names}): (.+)", str(error), re.MULTILINE)
    if match and match[1] in kinds:
        raise kinds[match[1]](match[2]) from error
    if match and (said := re.match(r"stopped by (\w+) after step (\d+)", match[2])):
        raise TrainingStopped(signal.Signals[said[1]].value, int(said[2])) from error
