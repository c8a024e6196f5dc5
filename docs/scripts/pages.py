"""The code of a page, run as a reader would run it.

Python blocks run in one namespace and shell blocks in the same folder, in the page's order.
``scaat`` is called in this process, since starting it anew takes seconds; other commands run in
bash. Two notes in a page's source steer it, each on a line of its own before a block::

    <!-- not run: needs SLURM -->     the block stays unrun, for this reason
    <!-- printed -->                  the text block holds what the block before it printed

and one before a picture::

    <!-- from: runs/shown/sheet.png -->   the file of the run that it shows
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]+?) -->\n+)?^```(?P<kind>[\w-]*)(?P<info>[^\n]*)\n(?P<code>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
PICTURE = re.compile(r"^<!-- from: (?P<made>\S+) -->\n!\[[^]]*\]\((?P<kept>\S+?)\)", re.MULTILINE)
SHELL = ("bash", "console")

SMALL_TRAINING = shlex.split("--epochs 1 --batch-size 8 --train-limit 24")
SMALL_EVALUATION = shlex.split(
    "--eval-images 2 --eval-aopc-steps 2 --eval-aopc-repeats 1 --eval-examples 1 "
    "--eval-deletion-steps 2 --eval-stability-perturbations 1 --eval-randomisation-stages 1 "
    "--eval-bootstrap-resamples 100"
)
SMALL_COST = shlex.split("--batch-size 4 --image-size 16 --rounds 2 --turn-seconds 0")
SMALL = {
    "train": SMALL_TRAINING,
    "compare": SMALL_TRAINING + SMALL_EVALUATION,
    "sweep": SMALL_TRAINING + SMALL_EVALUATION,
    "tune": SMALL_TRAINING + SMALL_EVALUATION + ["--trials", "1", "--budget", "100"],
    "evaluate": SMALL_EVALUATION,
    "cost": SMALL_COST,
}
"""Options that make a command's work small; the last of an option wins."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its code and where it stands."""

    kind: str
    code: str
    title: str | None
    note: str
    span: tuple[int, int]

    @property
    def left_out(self) -> bool:
        """Whether the page says why the block is not run."""
        return self.note.startswith("not run: ")


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    return [
        Block(
            found["kind"],
            found["code"],
            title[1] if (title := re.search(r'title="([^"]+)"', found["info"])) else None,
            found["note"] or "",
            found.span("code"),
        )
        for found in BLOCK.finditer(text)
    ]


def run(text: str, *, small: bool) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a page in the current folder; yield each with what it printed.

    A block with a title is written to the file of that name.
    """
    namespace: dict[str, Any] = {"__name__": "__documentation__"}
    for block in blocks(text):
        printed = StringIO()
        if block.title is not None:
            Path(block.title).write_text(block.code)
        elif not block.left_out:
            with redirect_stdout(printed):
                if block.kind == "python":
                    exec(compile(block.code, "page", "exec"), namespace)
                elif block.kind in SHELL:
                    _run_shell(block.code, small=small)
        yield block, printed.getvalue()


def _run_shell(code: str, *, small: bool) -> None:
    for line in code.replace("\\\n", " ").splitlines():
        line = line.removeprefix("$ ")
        # A process that runs pages has the current folder on its path already.
        words = shlex.split(line.removeprefix("PYTHONPATH=. "), comments=True)
        if words[:1] == ["scaat"]:
            unquoted = re.sub(r"'[^']*'|#.*", "", line)
            assert not re.search(r"[|<>$&;*?`]", unquoted), f"the shell would change: {line}"
            _run_scaat([*words[1:], *(SMALL.get(words[1], ()) if small else ())])
        elif words:
            found = subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True)
            print(found.stdout, end="")


def _run_scaat(words: list[str]) -> None:
    from scaat.cli.commands import cli

    with patch.object(sys, "argv", ["scaat", *words]):
        status = cli.main(words, standalone_mode=False, prog_name="scaat")
    assert not status, f"scaat {shlex.join(words)} ended with status {status}"
