"""The page on sharing works as it stands: its blocks run in order, in an empty folder."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from scaat.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "share.md"


def test_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    blocks = re.findall(r"^```(python|console)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.M)
    assert len(blocks) == 8
    for language, block in blocks:
        if language == "python":
            exec(compile(block, PAGE.name, "exec"), namespace)
            continue
        for line in block.splitlines():
            prompt, *arguments = shlex.split(line)
            assert prompt == "$"
            monkeypatch.setattr(sys, "argv", arguments)
            main()
