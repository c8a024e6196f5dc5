from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_three_times_equals_never(tmp_path: Path) -> None:
    """The benchmark itself, which ends with 1 unless everything is equal bit by bit."""
    program = Path(__file__).parents[2] / "benchmarks" / "kill_test.py"
    done = subprocess.run(
        [sys.executable, program, "--kills", "3", "--out", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = json.loads((tmp_path / "kill-test.json").read_text())
    assert len(found["kills"]) == 3
    assert all(run["differences"] == [] for run in found["runs"])
