"""Engines against what each task leaves in a folder, with the real libraries."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from glob import glob
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.inside import Done, scaat, write_images

from scaat.errors import InputError, MemoryExhaustedError, TrainingStopped
from scaat.studies import engines
from scaat.studies.engines import Engine, open_engine

PATIENCE = 300.0  # seconds, for a machine that does much else

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def wait_for(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    until = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return value


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def process(*command: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a session of its own, which ends with the block."""
    paths = [str(Path(__file__).parents[1]), *sys.path]
    started = subprocess.Popen(
        list(map(str, command)),
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
    )
    try:
        yield started
    finally:
        try:
            os.killpg(started.pid, signal.SIGTERM)
            started.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(started.pid, signal.SIGKILL)


def output_of(*command: object) -> str:
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False
    ).stdout


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def dask(folder: Path) -> Iterator[str]:
    """A scheduler with two workers, which nobody starts again."""
    port = free_port()
    cli = [sys.executable, "-m", "dask"]
    here = ["--host", "127.0.0.1", "--no-dashboard"]
    with ExitStack() as stack:
        stack.enter_context(process(*cli, "scheduler", *here, "--port", port))
        wait_for(lambda: listens(port))
        for name in "ab":
            local = ["--local-directory", folder / name, "--nthreads", 1, "--no-nanny"]
            at = ["--host", "127.0.0.1", "--no-dashboard"]
            stack.enter_context(process(*cli, "worker", f"127.0.0.1:{port}", *at, *local))
        from distributed import Client

        with Client(f"127.0.0.1:{port}") as client:
            client.wait_for_workers(2, timeout=PATIENCE)
        yield f"dask:127.0.0.1:{port}"


@contextmanager
def ray(folder: Path) -> Iterator[str]:
    """A node with two places, each with one of two GPUs that Ray believes in."""
    port = free_port()
    program = shutil.which("ray", path=str(Path(sys.executable).parent))
    options = ["--num-cpus", 2, "--num-gpus", 2, "--include-dashboard", "false"]
    head = ["start", "--head", "--block", "--port", port, "--disable-usage-stats", *options]
    with process(program, *head):
        wait_for(lambda: listens(port))
        status = (program, "status", "--address", f"127.0.0.1:{port}")
        wait_for(lambda: "/2.0 CPU" in output_of(*status))
        yield f"ray:127.0.0.1:{port}"


@contextmanager
def slurm(folder: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "CLUSTER", "local")
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield "slurm:timeout_min=30,partition=any"


@contextmanager
def local(folder: Path) -> Iterator[str]:
    yield "local"


def holder_of(lock: Path) -> int | None:
    """Return the process that has a file open."""
    for link in glob("/proc/[0-9]*/fd/*"):  # pathlib's raises where a process ends meanwhile
        try:
            if os.readlink(link) == str(lock.resolve()):
                return int(link.split("/")[2])
        except OSError:
            continue
    return None


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), ("a", 20), ("b", 20))


def sweep(out: Path, images: Path, *more: object) -> Done:
    few = ["--eval-images", 4, "--eval-aopc-steps", 2, "--eval-aopc-repeats", 1]
    return scaat(
        *("sweep", "--out", out, "--data", f"folder:{images}", "--model", "nets:tiny"),
        *("--epochs", 60, "--batch-size", 8, "--precision", 32, "--eval-attributions", "gradient"),
        *(*few, "--eval-bootstrap-resamples", 100, "--method", "standard", "--json"),
        *("--vary", "learning-rate=0.1,0.2", *more),
        on_warning="ignore",
    )  # fmt: skip


@pytest.fixture(scope="module")
def alone(images: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of a sweep in this process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each worker has, since threads round differently
    try:
        return rows_of(sweep(tmp_path_factory.mktemp("alone") / "out", images))
    finally:
        torch.set_num_threads(threads)


def rows_of(done: Done) -> list[dict[str, Any]]:
    assert done.status == 0, done.err
    rows: list[dict[str, Any]] = done.document["rows"]
    for row in rows:
        del row["train_seconds"]
    return rows


@pytest.mark.slow
@on_linux
@pytest.mark.parametrize("start", [local, slurm, dask, ray])
def test_a_worker_killed_in_mid_trial_loses_nothing(
    start: Callable[[Path], Any], images: Path, alone: list[dict[str, Any]], tmp_path: Path
) -> None:
    if start in (dask, ray):
        pytest.importorskip({"dask": "distributed"}.get(start.__name__, start.__name__))
    out = tmp_path / "out"
    killed: list[Path] = []

    def kill() -> None:
        first = wait_for(lambda: next(out.glob("trials/*/checkpoints/*.ckpt"), None))
        run = first.parents[1]
        os.kill(wait_for(lambda: holder_of(first.parent / ".lock")), signal.SIGKILL)
        if not (run / "training.json").exists():
            killed.append(run)

    with start(tmp_path) as name:
        killer = threading.Thread(target=kill)
        killer.start()
        jobs = ["--jobs", 2] if name in ("local",) or name.startswith("slurm") else []
        done = sweep(out, images, "--engine", name, *jobs)
        killer.join()
    assert rows_of(done) == alone
    (run,) = killed
    assert (run / "training.json").exists()
    assert "Trial 2 of 2 is done" in done.err


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("dask:127.0.0.1:{closed}", "no scheduler listens there"),
        ("ray:127.0.0.1:{closed}", "no scheduler listens there"),
        ("dask:127.0.0.1:port", "no scheduler listens there"),
        ("dask", "expected local, dask:ADDRESS, ray:ADDRESS or slurm"),
        ("local:2", "expected local, dask:ADDRESS, ray:ADDRESS or slurm"),
        ("dusk:127.0.0.1", "unknown engine 'dusk' (did you mean 'dask'?)"),
        ("slurm", "engine 'slurm' cannot be used"),  # where there is no srun
    ],
)
def test_an_engine_that_is_not_there(
    engine: str, said: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "slurm":
        monkeypatch.setenv("PATH", "")
    began = time.monotonic()
    done = sweep(tmp_path / "out", images, "--engine", engine.format(closed=free_port()))
    assert time.monotonic() - began < 60
    assert done.status == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_options_that_contradict_the_engine(images: Path, tmp_path: Path) -> None:
    done = sweep(tmp_path / "out", images, "--engine", "dask:127.0.0.1:1", "--jobs", 2)
    assert done.status == 2
    assert "jobs is 2, but engine 'dask:127.0.0.1:1' runs one for each of its workers" in done.err
    opened = open_engine("slurm:colour=red", None, tmp_path / "jobs")
    with slurm(tmp_path), pytest.raises(InputError, match="Unknown argument 'colour'"), opened:
        pass
    assert not (tmp_path / "jobs").exists()


# What tasks do to the workers of the local engine.


def leave(path: Path, others: int = 0) -> None:
    """Write this process's number and threads; wait until so many others have written, too."""
    path.write_text(f"{os.getpid()} {torch.get_num_threads()}")
    wait_for(lambda: len(list(path.parent.iterdir())) > others)


def fail(error: BaseException) -> None:
    raise error


def kill_self(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(PATIENCE)


def kill_once(path: Path) -> None:
    if not path.exists():
        path.write_text("")
        kill_self(signal.SIGKILL)


def stay(folder: Path) -> None:
    """Write that the work has begun; note SIGTERM, as a training does."""
    came: list[int] = []
    # A handler that raised could do so where Python drops exceptions, as at a file's close.
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    (folder / "begun").write_text("")
    wait_for(lambda: came)
    (folder / "stopped").write_text("")
    raise TrainingStopped(came[0], 7)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Engine]:
    with open_engine("local", 2, tmp_path / "jobs") as engine:
        yield engine


@pytest.mark.slow
def test_two_at_once_and_the_third_after_one_of_them(two: Engine, tmp_path: Path) -> None:
    # The first two wait for one another: one after the other they would never end.
    tasks = [partial(leave, tmp_path / name, others) for name, others in (("a", 1), ("b", 1))]
    third = partial(leave, tmp_path / "c", 2)
    assert sorted(map(id, two.run([*tasks, third]))) == sorted(map(id, [*tasks, third]))
    left = [(tmp_path / name).read_text().split() for name in "abc"]
    assert len({number for number, _ in left} | {str(os.getpid())}) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "error", "said"),
    [
        (partial(fail, InputError("wrong")), InputError, "^wrong$"),
        (partial(fail, OSError(28, "No space left", "/x")), OSError, "No space left.*'/x'"),
        (partial(fail, KeyboardInterrupt()), KeyboardInterrupt, "^$"),
        (partial(fail, ZeroDivisionError("secret")), RuntimeError, r"Traceback(.|\n)*secret"),
        (partial(kill_self, signal.SIGKILL), MemoryExhaustedError, "of local was lost 3 times"),
    ],
)  # fmt: skip
def test_how_a_task_ends(
    task: partial[None], error: type[BaseException], said: str, two: Engine
) -> None:
    with pytest.raises(error, match=said):
        list(two.run([task, partial(time.sleep, 0)]))


@pytest.mark.slow
def test_a_lost_task_runs_again(two: Engine, tmp_path: Path) -> None:
    tasks = [partial(kill_once, tmp_path / "one"), partial(kill_once, tmp_path / "two")]
    assert set(map(id, two.run(tasks))) == set(map(id, tasks))


PARENT = """
import sys
from functools import partial
from glob import glob
from pathlib import Path
from tests.studies.test_engines import stay
from scaat.studies.engines import open_engine

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with open_engine("local", 2, folder) as engine:
        list(engine.run([partial(stay, folder), partial(print, "short")]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals by number")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_is_left_behind(number: signal.Signals, tmp_path: Path) -> None:
    script, folder = tmp_path / "parent.py", tmp_path / "folder"
    script.write_text(PARENT)
    folder.mkdir()
    with process(sys.executable, script, folder) as parent:
        wait_for(lambda: (folder / "begun").exists() or parent.poll() is not None)
        assert parent.poll() is None
        parent.send_signal(number)
        parent.wait(PATIENCE)
        living = ["ps", "-s", str(parent.pid), "-o", "stat="]

        def alone() -> bool:
            listed = subprocess.run(living, capture_output=True, text=True, check=False)
            return not [line for line in listed.stdout.splitlines() if line[0] != "Z"]

        wait_for(alone, 60)
        assert (folder / "stopped").exists() == (number == signal.SIGTERM)
