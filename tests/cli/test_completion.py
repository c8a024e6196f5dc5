"""Completion, through click's own interface and in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from tests.cli.inside import scaat

from scaat.cli.commands import COMPLETE, cli


def complete(*words: str) -> list[str]:
    """Return the completions of the last word."""
    shell = ShellComplete(cli, {}, "scaat", COMPLETE)
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["e"], ["evaluate", "explain", "export"]),
        (["data", "c"], ["check", "convert"]),
        (["dota", "x"], []),
        (["train", "--meth"], ["--method"]),
        (["train", "--method", "sc"], ["scaat"]),
        (["train", "--scaat.div"], ["--scaat.divergence"]),
        (["train", "--scaat.divergence", "je"], ["jeffreys", "jensen-shannon"]),
        (["compare", "--methods", "standard,sca"], ["standard,scaat"]),
        (["compare", "--methods", "scaat,sca"], []),
        (["compare", "--eval-attributions", "gradient,integ"], ["gradient,integrated-gradients"]),
        (["explain", "x", "--attributions", "grad-"], ["grad-cam"]),
    ],
)  # fmt: skip
def test_commands_options_and_their_values(words: list[str], expected: list[str]) -> None:
    assert complete(*words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_command_and_the_variable(shell: str) -> None:
    done = scaat("completion", shell)
    assert done.status == 0
    assert COMPLETE in done.out
    assert f"{shell}_complete" in done.out


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_in_bash(tmp_path: Path) -> None:
    program = tmp_path / "scaat"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m scaat "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(scaat completion bash)"\nCOMP_WORDS=(scaat ev); COMP_CWORD=1\n'
        '_scaat_completion scaat\necho "${COMPREPLY[*]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.stdout.strip() == "evaluate", done.stderr
