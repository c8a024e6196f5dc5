"""Calls in processes of their own, several at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from scaat.errors import InputError, MemoryExhaustedError, TrainingStopped, WriteError
from scaat.training.interruption import SIGNALS, signals_for_children

_INTERRUPTED = 130
_TOLD = (InputError, MemoryExhaustedError, TrainingStopped, WriteError)
"""Errors that say enough without a traceback; others of the system do if they name a file."""


@dataclass(frozen=True)
class Call:
    """What one process does.

    Attributes:
        name: For messages.
        function: Of a module, and its arguments with it, so that it can be sent to a process.
    """

    name: str
    function: Callable[[], object]


@dataclass(frozen=True)
class _Running:
    call: Call
    process: BaseProcess
    answer: Connection


def in_processes(
    calls: Iterable[Call],
    jobs: int,
    *,
    began: Callable[[Call], None],
    ended: Callable[[Call], None],
) -> None:
    """Make calls, each in a fresh process, at most ``jobs`` at a time.

    The processes share out this one's threads. They get the signals that ask a training to stop,
    and end when this process does, however it ends.

    Args:
        calls: Begun in this order.
        jobs: At least 1.
        began: Told of each call when its process was started.
        ended: Told of each that has ended well.

    Raises:
        InputError: A call raised it, as for the other errors here; the others are asked to stop,
            and waited for.
        MemoryExhaustedError: A call raised it, or its process was killed.
        TrainingStopped: A signal came.
        WriteError: A call raised it.
        RuntimeError: A call raised any other error, which standard error shows.
    """
    waiting, running = list(calls), list[_Running]()
    with signals_for_children():
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    running.append(_start(waiting.pop(0), jobs))
                    began(running[-1].call)
                ready = wait([one.process.sentinel for one in running])
                for one in [one for one in running if one.process.sentinel in ready]:
                    running.remove(one)
                    _check(one)
                    ended(one.call)
        finally:
            for one in running:
                one.process.terminate()  # a training writes a checkpoint first
            for one in running:
                one.process.join()


def _start(call: Call, jobs: int) -> _Running:
    spawning = multiprocessing.get_context("spawn")  # CUDA and threads do not survive a fork
    answer, ours = spawning.Pipe(duplex=False)
    threads = max(1, torch.get_num_threads() // jobs)
    process = spawning.Process(target=_child, args=(call.function, threads, ours))
    process.start()
    ours.close()
    return _Running(call, process, answer)


def _check(ended: _Running) -> None:
    """Raise what ended a process, if it did not end well."""
    ended.process.join()
    status = ended.process.exitcode or 0
    try:
        # A process that was killed may have left children which hold its end.
        error = ended.answer.recv() if ended.answer.poll() else None
    except EOFError:
        error = None
    ended.answer.close()
    if error is not None:
        raise error
    if status == _INTERRUPTED:
        raise KeyboardInterrupt
    if -status in SIGNALS:
        raise TrainingStopped(-status, None)
    if status < 0:
        raise MemoryExhaustedError(
            f"the process of {ended.call.name} was ended by {signal.Signals(-status).name}, as "
            "systems do when memory runs out; lower jobs or batch_size"
        )
    if status:
        raise RuntimeError(f"{ended.call.name} failed; its traceback is above")


def _child(function: Callable[[], object], threads: int, answer: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        function()
    except (*_TOLD, OSError) as error:
        if isinstance(error, OSError) and error.filename is None:
            raise
        answer.send(error)
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the second of the first
        sys.exit(_INTERRUPTED)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
