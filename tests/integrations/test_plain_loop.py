"""The example of a plain loop runs as a script, and goes on where it was stopped."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "plain_loop.py"


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    monkeypatch.setattr(sys, "argv", [EXAMPLE.name, *arguments])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    return capsys.readouterr().out


def test_plain_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE, "--epochs", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    whole = done.stdout
    assert "AOPC LeRF" in whole
    assert whole.count("epoch 2") == 2
    folder = tmp_path / "stopped"
    folder.mkdir()
    run(monkeypatch, capsys, "--epochs", "1", "--folder", str(folder))
    resumed = run(monkeypatch, capsys, "--epochs", "2", "--folder", str(folder), "--resume")
    assert resumed.splitlines() == [line for line in whole.splitlines() if "epoch 1" not in line]
    for name in ("standard.pt", "scaat.pt"):
        one, two = (torch.load(path / name) for path in (tmp_path, folder))
        torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert one["objective"]["proportion"].unique().numel() > 2
