"""Ctrl-C on real processes: status 130, one true line, whole files, nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.inside import scaat, write_images

PATIENCE = 300.0  # seconds, for a machine that does much else

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals of a terminal"),
]


def interrupt(
    begun: Callable[[], bool], *arguments: object, whole_group: bool = True
) -> tuple[int, str]:
    """Run a command, press Ctrl-C once it has begun; return its status and last line."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-m", "scaat", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
        # Tests in a shell's background ignore it, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        until = time.monotonic() + PATIENCE
        while not begun():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        # A terminal signals all processes of the command; other programs signal the first.
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        assert "Traceback" not in said, said
        until = time.monotonic() + 60  # for processes that are ending
        while left := _alive(process.pid):
            assert time.monotonic() < until, left
            time.sleep(0.05)
        return process.returncode, said.strip().splitlines()[-1]
    finally:
        if _alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def _alive(session: int) -> list[str]:
    """Return the processes of a session that still run; zombies have ended."""
    actual = subprocess.run(
        ["ps", "-s", str(session), "-o", "stat=,args="], capture_output=True, text=True, check=False
    )
    return [line for line in actual.stdout.splitlines() if not line.startswith("Z")]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), ("a", 60), ("b", 60))


@pytest.fixture(scope="module")
def training(images: Path) -> list[object]:
    data = ["--data", f"folder:{images}", "--model", "nets:tiny", "--precision", "32"]
    return [*data, "--method", "standard", "--batch-size", 8, "--epochs", 2000]


@pytest.mark.parametrize(
    ("extra", "whole_group"),
    [(["--loading", "lazy", "--workers", "2"], True), (["--devices", "2"], False)],
    ids=["workers", "two processes, one signalled"],
)
def test_train(training: list[object], extra: list[str], whole_group: bool, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["train", "--out", out, *training, *extra]
    folder = out / "checkpoints"
    status, said = interrupt(
        lambda: bool(list(folder.glob("*.ckpt"))), *command, whole_group=whole_group
    )
    assert status == 130
    assert said.startswith("interrupted; the same command with --resume continues from")
    assert sorted(path.name for path in folder.glob("*.ckpt"))[-1].endswith(
        f"{int(said.rpartition(' ')[2]):09}.ckpt"
    )
    assert not list(out.rglob("*.part"))


def test_sweep_of_two_at_once(training: list[object], tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    status, said = interrupt(
        lambda: len(list(out.glob("trials/*/checkpoints/*.ckpt"))) >= 2,
        "sweep", "--out", out, *training, "--vary", "learning-rate=0.1,0.2", "--jobs", 2,
    )  # fmt: skip
    assert (status, said) == (
        130,
        "interrupted; the same command with --resume keeps what is done and continues",
    )
    assert not list(out.rglob("*.part"))


def test_evaluate_gives_its_folder_back(training: list[object], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert scaat("train", "--out", run, "-q", *training[:-1], 1).status == 0
    status, said = interrupt(
        lambda: bool(list(run.glob(".evaluation.*.part"))),
        "evaluate", run, "--eval-aopc-repeats", 10_000, "--eval-aopc-max-repeats", 10_000,
    )  # fmt: skip
    assert (status, said) == (130, "interrupted; nothing was written")
    assert not list(run.glob("*evaluation*"))


def test_convert_leaves_nothing(images: Path, tmp_path: Path) -> None:
    status, said = interrupt(
        lambda: bool(list(tmp_path.glob(".cache*/train"))),
        "data", "convert", f"folder:{images}", tmp_path / "cache", "--image-size", 1000,
    )  # fmt: skip
    assert (status, said) == (130, "interrupted; nothing was written")
    assert not list(tmp_path.iterdir())
