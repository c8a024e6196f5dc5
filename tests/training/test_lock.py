"""Two trainings never write to one folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scaat.data import DataSplits
from scaat.errors import InputError, WriteError
from scaat.training import TrainedModel, TrainingOptions, fit
from scaat.training.folder import only_training

fcntl = pytest.importorskip("fcntl", reason="the system has no such locks")

HOLDER = """
import os, pathlib, sys, time
from scaat.training.folder import only_training
with only_training(pathlib.Path(sys.argv[1])):
    if os.fork():  # a worker, which outlives its parent
        print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, the first of its group, that trains in ``folder``."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run(splits: DataSplits, folder: Path, **extra: Any) -> TrainedModel:
    options = TrainingOptions(model="nets:tiny", epochs=1, precision="32", accelerator="cpu")
    return fit(splits, "standard", {}, options, seed=0, folder=folder, quiet=True, **extra)


@pytest.mark.slow
def test_one_process_at_a_time(splits: DataSplits, tmp_path: Path) -> None:
    part = tmp_path / "checkpoints" / ".step-000000001.ckpt.1.part"  # what the other one writes
    with held_elsewhere(tmp_path) as process:
        part.touch()
        for resume in (True, False):
            with pytest.raises(InputError, match="is in use: another process is training there"):
                run(splits, tmp_path, resume=resume)
        assert part.exists()
        with only_training(tmp_path / "other"):
            pass
        process.kill()
        process.wait()
        run(splits, tmp_path, resume=True)  # although the worker lives
    assert not part.exists()
    run(splits, tmp_path, resume=True)


def test_nothing_is_held_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_training(tmp_path):
        raise ZeroDivisionError
    with held_elsewhere(tmp_path):
        pass


def test_a_file_system_without_locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with only_training(tmp_path):
        pass


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("in the way")
    with (
        pytest.raises(WriteError, match=r"checkpoints.*cannot be written"),
        only_training(tmp_path),
    ):
        pass
