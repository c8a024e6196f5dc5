"""Signals that ask a training to stop: SIGTERM, and SIGUSR1 as batch systems send it ahead."""

from __future__ import annotations

import multiprocessing
import os
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

        Several processes ask one another after every tenth step only, since asking is a
        collective.

        Args:
            trainer: Of the training.
            at_once: Ask now, whatever the step.
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
def signals_for_children() -> Iterator[None]:
    """Hand signals on to the processes that this one spawned, and wait for them as before.

    Ctrl-C ends them with this one, also where the terminal has not told them.
    """

    def hand_on(number: int, frame: FrameType | None) -> None:
        for child in multiprocessing.active_children():
            if child.pid is not None:
                os.kill(child.pid, number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, hand_on) for number in SIGNALS}
    try:
        yield
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
