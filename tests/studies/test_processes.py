"""Calls in processes of their own, against what each of them leaves in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from scaat.errors import InputError, MemoryExhaustedError, TrainingStopped
from scaat.studies.processes import Call, in_processes

PATIENCE = 120.0  # seconds, for a machine that does much else

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals by number")]


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def leave(path: Path, others: int = 0) -> None:
    """Write this process's threads and number; wait until so many others have written, too."""
    path.write_text(f"{os.getpid()} {torch.get_num_threads()}")
    wait_for(lambda: len(list(path.parent.iterdir())) > others)


def fail(error: Exception) -> None:
    raise error


def kill(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(PATIENCE)


def stay(folder: Path) -> None:
    """Write that the work has begun; note SIGTERM, as a training does."""

    def stop(number: int, _: object) -> None:
        (folder / "stopped").write_text("")
        raise TrainingStopped(number, 7)

    signal.signal(signal.SIGTERM, stop)
    (folder / "begun").write_text("")
    time.sleep(PATIENCE)


def fail_when(path: Path) -> None:
    wait_for(path.exists)
    raise InputError("the file is there")


def run(*calls: Call, jobs: int = 2) -> list[str]:
    told: list[str] = []
    in_processes(
        calls,
        jobs,
        began=lambda call: told.append(f"{call.name} began"),
        ended=lambda call: told.append(f"{call.name} ended"),
    )
    return told


def test_two_at_once_and_the_third_after_one_of_them(tmp_path: Path) -> None:
    # The first two wait for one another: one after the other they would never end.
    calls = [Call("ab"[n], partial(leave, tmp_path / "ab"[n], others=1)) for n in (0, 1)]
    told = run(*calls, Call("c", partial(leave, tmp_path / "c", others=2)))
    assert told[:2] == ["a began", "b began"]
    assert told.index("c began") > min(told.index("a ended"), told.index("b ended"))
    assert sorted(told) == sorted(f"{n} {what}" for n in "abc" for what in ("began", "ended"))
    left = [(tmp_path / name).read_text().split() for name in "abc"]
    assert len({pid for pid, _ in left} | {str(os.getpid())}) == 4
    assert {int(threads) for _, threads in left} == {max(1, torch.get_num_threads() // 2)}


def test_an_error_of_ours_comes_back_and_ends_the_rest(tmp_path: Path) -> None:
    calls = [
        Call("stays", partial(stay, tmp_path)),
        Call("fails", partial(fail_when, tmp_path / "begun")),
        Call("never", partial(leave, tmp_path / "never")),
    ]
    with pytest.raises(InputError, match="the file is there"):
        run(*calls)
    assert (tmp_path / "stopped").exists()
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (partial(fail, OSError(28, "No space left", "/x")), OSError, "No space left.*'/x'"),
        (partial(fail, KeyboardInterrupt()), KeyboardInterrupt, "^$"),
        (partial(fail, SystemExit(0)), KeyboardInterrupt, "^$"),
        (partial(kill, signal.SIGKILL), MemoryExhaustedError, "process of a was ended by SIGKILL"),
        (partial(kill, signal.SIGTERM), TrainingStopped, "^stopped by SIGTERM; the same command"),
    ],
)
def test_how_a_process_ends(call: partial[None], error: type[BaseException], said: str) -> None:
    with pytest.raises(error, match=said):
        run(Call("a", call))


@pytest.mark.usefixtures("spawned_anew")
@pytest.mark.parametrize("kind", [ZeroDivisionError, ConnectionError])
def test_another_error_is_shown_with_its_traceback(
    kind: type[Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="a failed; its traceback is above"):
        run(Call("a", partial(fail, kind("secret"))))
    assert "Traceback (most recent" in (shown := capfd.readouterr().err)
    assert f"{kind.__name__}: secret" in shown


PARENT = """
import sys
from functools import partial
from pathlib import Path
from tests.studies.test_processes import run, stay
from scaat.studies.processes import Call

if __name__ == "__main__":
    run(Call("a", partial(stay, Path(sys.argv[1]))))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_is_left_behind(number: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    folder = tmp_path / "folder"
    folder.mkdir()
    parent = subprocess.Popen(
        [sys.executable, script, folder],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(lambda: (folder / "begun").exists() or parent.poll() is not None)
        assert parent.poll() is None, parent.communicate()
        parent.send_signal(number)
        _, said = parent.communicate(timeout=PATIENCE)  # also waits for whoever holds the pipe
        assert (folder / "stopped").exists() == (number == signal.SIGTERM)
        assert ("stopped by SIGTERM after step 7" in said) == (number == signal.SIGTERM)
    finally:
        if parent.poll() is None:
            os.killpg(parent.pid, signal.SIGKILL)
