"""Where the trials of a study run: processes here, or workers of Dask, Ray or SLURM."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import chdir, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import joblib

from scaat.errors import InputError, MemoryExhaustedError, TrainingStopped, WriteError, unknown
from scaat.training.devices import started_outside
from scaat.training.interruption import SIGNALS, signals_for_children

Task = Callable[[], object]
"""Of a module, and its arguments with it, so that it can be sent to a worker."""

T = TypeVar("T", bound=Task)

_Outcome = tuple[int, BaseException | None]
_Outcomes = Generator[_Outcome, None, None]
_Submit = Callable[[Sequence[Task]], _Outcomes]

_ATTEMPTS = 3
_PATIENCE = 5.0  # seconds for a scheduler to answer
_OURS = (InputError, MemoryExhaustedError, TrainingStopped, WriteError)
"""Errors that say enough without a traceback; others of the system do if they name a file."""
_PORTS = {"dask": 8786, "ray": 6379}
CLUSTER = "slurm"  # submitit's name; its "local" runs the same jobs without SLURM
_ONE_TRIAL = threading.Lock()  # torch's generator and the current folder are the process's


@dataclass(frozen=True)
class Engine:
    """What runs tasks."""

    name: str
    """As the user wrote it."""
    width: int
    """Tasks that run at once; 1 runs them in this process, one after the other."""
    _submit: _Submit
    _lost: tuple[type[Exception], ...] = ()

    def run(self, tasks: Sequence[T]) -> Generator[T, None, None]:
        """Run tasks, and yield each when it is done; those that lost their worker run again.

        Raises:
            InputError: A task raised it, as for the other errors here; no further tasks start.
            MemoryExhaustedError: A task raised it, or its worker was lost three times.
            TrainingStopped: A signal came.
            WriteError: A task raised it.
            RuntimeError: A task raised any other error; the message holds its traceback.
        """
        left, attempts = list(tasks), 0
        while left:
            now = list(left)
            try:
                with closing(self._submit(now)) as outcomes:
                    for index, error in outcomes:
                        if error is not None:
                            raise error
                        attempts = 0
                        left.remove(now[index])
                        yield now[index]
            except self._lost as error:
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise MemoryExhaustedError(
                        f"a worker of {self.name} was lost {_ATTEMPTS} times "
                        f"({type(error).__name__}), as when memory runs out; lower jobs or "
                        "batch_size"
                    ) from error


@contextmanager
def open_engine(name: str, jobs: int | None, logs: Path) -> Iterator[Engine]:
    """Connect to what runs tasks, and let go of it at the end.

    Args:
        name: ``local``, ``dask:ADDRESS``, ``ray:ADDRESS``, or ``slurm``, also with submitit's
            parameters: ``slurm:partition=gpu,timeout_min=600``.
        jobs: Tasks at once, at least 1. By default 1 here and as many as there are on SLURM; Dask
            and Ray have as many as workers.
        logs: Folder for what SLURM's jobs print.

    Raises:
        InputError: The name is unknown, nothing answers there within seconds, its package is
            missing, or several processes would all run the tasks.
    """
    kind, _, place = name.partition(":")
    if kind not in _OPEN:
        raise unknown("engine", kind, _OPEN)
    if (kind in _PORTS) != bool(place) and kind != "slurm":
        raise InputError(
            f"engine is {name!r}, expected local, dask:ADDRESS, ray:ADDRESS or slurm[:KEY=VALUE,..]"
        )
    if jobs is not None and kind in _PORTS:
        raise InputError(f"jobs is {jobs}, but engine {name!r} runs one for each of its workers")
    if ((jobs or 1) > 1 or kind != "local") and (launcher := started_outside()):
        raise InputError(
            f"engine is {name!r} and jobs is {jobs}, but {launcher} started several processes for "
            "each training; expected engine local and jobs 1"
        )
    if kind in _PORTS:
        _check_listener(name, place, _PORTS[kind])
    try:
        with _OPEN[kind](name, place, jobs, logs) as engine:
            yield engine
    except ModuleNotFoundError as error:
        if error.name not in ("distributed", "ray", "submitit"):
            raise
        raise InputError(
            f"engine {name!r} needs the extra {kind!r} (pip install 'scaat[{kind}]'): {error}"
        ) from error


@contextmanager
def _local(name: str, _: str, jobs: int | None, __: Path) -> Iterator[Engine]:
    if jobs in (None, 1):
        yield Engine(name, 1, _here)
        return

    def submit(tasks: Sequence[Task]) -> _Outcomes:
        watched = [partial(_run_with_parent, task, os.getpid()) for task in tasks]
        with signals_for_children() as received:
            loky = _joblib(watched, backend="loky", n_jobs=jobs, initializer=_note_signals)
            try:
                with closing(loky):
                    for outcome in loky:
                        yield outcome
                        if received:
                            raise TrainingStopped(received[0], None)
            except BrokenProcessPool:
                if received:  # it ended a worker that was not training just then
                    raise TrainingStopped(received[0], None) from None
                raise

    yield Engine(name, jobs or 1, submit, (BrokenProcessPool,))


@contextmanager
def _dask(name: str, address: str, _: int | None, __: Path) -> Iterator[Engine]:
    from distributed import Client, KilledWorker

    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(f"engine {name!r}: no Dask scheduler answers there ({error})") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise InputError(f"engine {name!r} has no worker; start one: dask worker") from error
        submit = partial(_joblib, backend="dask", client=client)
        yield Engine(name, len(client.ncores()), submit, (KilledWorker,))


@contextmanager
def _ray(name: str, address: str, _: int | None, __: Path) -> Iterator[Engine]:
    import ray
    from ray.exceptions import RayError

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"engine {name!r}: no Ray answers there ({error})") from error
    # Ray's backend for joblib returns all results at once; its own tasks are as short, and it runs
    # those of a lost worker again. It hides the GPUs from tasks that do not ask for one.
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    attempt = ray.remote(num_cpus=1, num_gpus=min(gpus, 1))(_attempt)

    def submit(tasks: Sequence[Task]) -> _Outcomes:
        here = os.getcwd()
        waiting = [attempt.remote(index, task, here) for index, task in enumerate(tasks)]
        try:
            while waiting:
                (done,), waiting = ray.wait(waiting)
                yield ray.get(done)
        finally:
            for one in waiting:
                ray.cancel(one, force=True)

    try:
        yield Engine(name, gpus or int(resources["CPU"]), submit, (RayError,))
    finally:
        ray.shutdown()


@contextmanager
def _slurm(name: str, settings: str, jobs: int | None, logs: Path) -> Iterator[Engine]:
    import submitit
    from submitit.core.utils import UncompletedJobError

    def executor_at(folder: Path) -> submitit.AutoExecutor:
        executor = submitit.AutoExecutor(folder=folder.resolve(), cluster=CLUSTER)
        generic = executor._typed_parameters()
        asked: dict[str, Any] = {"name": "scaat", "timeout_min": 24 * 60}
        for part in settings.split(",") if settings else ():
            key, _, value = part.partition("=")
            key = key if key in generic else f"slurm_{key.removeprefix('slurm_')}"
            asked[key] = int(value) if value.isdecimal() else value
        executor.update_parameters(**asked, slurm_array_parallelism=jobs or 256)
        return executor

    try:
        with TemporaryDirectory() as folder:  # it makes its folder, and nothing is claimed yet
            executor_at(Path(folder))
    except (RuntimeError, NameError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"engine {name!r} cannot be used: {first}") from error

    def submit(tasks: Sequence[Task]) -> _Outcomes:
        count = len(tasks)
        queued = executor_at(logs).map_array(_attempt, range(count), tasks, [os.getcwd()] * count)
        lost = None
        try:
            for job in submitit.helpers.as_completed(queued, poll_frequency=2):
                try:
                    yield job.result()
                except UncompletedJobError as error:
                    lost = error  # the others run on
            if lost is not None:
                raise lost
        finally:
            for job in queued:
                if not job.done():
                    job.cancel()

    yield Engine(name, jobs or 16, submit, (UncompletedJobError,))


_OPEN: Mapping[str, Callable[[str, str, int | None, Path], Any]] = {
    "local": _local,
    "dask": _dask,
    "ray": _ray,
    "slurm": _slurm,
}


def _check_listener(name: str, address: str, port: int) -> None:
    """Refuse an address that takes no connection; the engines' clients wait much longer."""
    host, _, given = address.rpartition("://")[2].partition(":")
    try:
        with socket.create_connection((host, int(given or port)), timeout=_PATIENCE):
            return
    except (OSError, ValueError) as error:
        raise InputError(f"engine {name!r}: no scheduler listens there ({error})") from error


def _here(tasks: Sequence[Task]) -> _Outcomes:
    for index, task in enumerate(tasks):
        task()
        yield index, None


def _joblib(tasks: Sequence[Task], **backend: Any) -> _Outcomes:
    with joblib.parallel_config(**backend):
        parallel = joblib.Parallel(
            batch_size=1, pre_dispatch="n_jobs", return_as="generator_unordered"
        )
    here = os.getcwd()
    attempts = [joblib.delayed(_attempt)(index, task, here) for index, task in enumerate(tasks)]
    outcomes: _Outcomes = parallel(attempts)
    try:
        # `yield from` would close it before the warnings are ignored.
        for outcome in outcomes:  # noqa: UP028
            yield outcome
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tasks that this cancels
            outcomes.close()


def _attempt(index: int, task: Task, folder: str) -> _Outcome:
    """Run a task in a worker; return what ended it, since each engine treats errors its own way."""
    with _ONE_TRIAL, chdir(folder):
        try:
            task()
        except _OURS as error:
            return index, error
        except (KeyboardInterrupt, SystemExit):  # Lightning makes the second of the first
            return index, KeyboardInterrupt()
        except Exception as error:
            if isinstance(error, OSError) and error.filename is not None:
                return index, error
            return index, RuntimeError(f"a trial failed:\n{traceback.format_exc()}")
    return index, None


def _run_with_parent(task: Task, parent: int) -> None:
    """Run a task; end this process when its parent has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    with suppress(AttributeError):  # Windows
        if not any(thread.name == "parent" for thread in threading.enumerate()):
            threading.Thread(target=watch, name="parent", daemon=True).start()
    noting = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    try:
        if _came:
            raise TrainingStopped(_came[0], None)
        task()
    finally:
        for number, handler in noting.items():
            signal.signal(number, handler)


_came: list[int] = []
"""Signals that came to this worker between two tasks."""


def _note_signals() -> None:
    """Note signals while waiting: if a worker died with the queue's lock, others would hang."""
    for number in SIGNALS:
        signal.signal(number, lambda number, _: _came.append(number))
