"""The documentation: its code runs, its links lead somewhere, and nothing public is left out."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from docs.scripts.pages import PICTURE, SHELL, blocks, run

ROOT = Path(__file__).parents[1]
SITE = sorted(p for p in (ROOT / "docs").rglob("*.md") if "scripts" not in p.parts)
ABOUT = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
RUN = ("python", *SHELL)
SHOWN = ("text", "yaml", "json")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", SITE, ids=name)
def test_every_block_says_what_it_is(page: Path) -> None:
    """Code that is run has a language that can be; what is not run says why in the source."""
    for block in blocks(page.read_text()):
        assert block.kind in (*RUN, *SHOWN), f"a block of kind {block.kind!r}: {block.code[:80]}"
        if block.left_out:
            assert block.kind in RUN, block.code


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in SITE if blocks(p.read_text())], ids=name)
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python and shell blocks run in the page's order, in an empty folder, at a small size."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    text, before = page.read_text(), ""
    for block, printed in run(text, small=True):
        if block.note == "printed":
            assert before.strip(), f"nothing was printed before: {block.code[:80]}"
        elif block.kind in RUN and not block.left_out:
            before = printed
    for picture in PICTURE.finditer(text):
        assert (tmp_path / picture["made"]).is_file(), picture["made"]


@pytest.mark.parametrize("page", ABOUT, ids=name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's Python blocks run in order in one namespace, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__documentation__"}
    for block in blocks(page.read_text()):
        if block.kind == "python":
            exec(compile(block.code, page.name, "exec"), namespace)


def test_the_readme_has_an_example() -> None:
    assert "```python" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", [*ABOUT, *SITE, ROOT / "results" / "README.md"], ids=name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
