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

from scaat.cli.group import SUMMARIES, VARIABLE, cli
from scaat.data import datasets


def complete(*words: str) -> list[str]:
    """Return what may stand for the last word."""
    found = ShellComplete(cli, {}, "scaat", VARIABLE).get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found]


def test_commands() -> None:
    assert complete("") == list(SUMMARIES)
    assert complete("e") == [name for name in SUMMARIES if name.startswith("e")]
    assert complete("data", "c") == ["check", "convert"]
    assert complete("dota", "x") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "--meth"], ["--method"]),
        (["train", "--method", "sc"], ["scaat"]),
        (["train", "--scaat.div"], ["--scaat.divergence"]),
        (["train", "--scaat.divergence", "je"], ["jeffreys", "jensen-shannon"]),
        (["compare", "--methods", "standard,sca"], ["standard,scaat"]),
        (["compare", "--methods", "scaat,sca"], []),
        (["compare", "--eval-attributions", "gradient,smo"],
         ["gradient,smoothgrad", "gradient,smoothgrad-squared"]),
        (["compare", "--eval-also-measure", "roa"], ["road"]),
        (["compare", "--eval-aopc-fill", "b"], ["blur"]),
        (["train", "--model", "resn"], ["resnet18"]),
        (["train", "--model", "torchv"], ["torchvision:"]),
        (["train", "--model", "torchvision:resnet1"],
         [f"torchvision:resnet{depth}" for depth in (101, 152, 18)]),
        (["evaluate", "x", "--model", "vg"], ["vgg16"]),
        (["explain", "x", "--attributions", "grad-"], ["grad-cam"]),
        (["train", "--data", "fol"], ["folder:"]),
        (["data", "info", "dig"], ["digits"]),
        (["cost", "--variant", "stand"], ["standard"]),
        (["cost", "--variant", "scaat:step"], ["scaat:steps=", "scaat:step_size="]),
        (["cost", "--variant", "scaat:steps=1,step"], ["scaat:steps=1,step_size="]),
        (["cost", "--data", "ran"], ["random"]),
        (["completion", "z"], ["zsh"]),
    ],
)  # fmt: skip
def test_options_and_their_values(words: list[str], expected: list[str]) -> None:
    assert complete(*words) == expected


def test_every_kind_of_data_is_completed() -> None:
    found = complete("train", "--data", "")
    assert [name.rstrip(":") for name in found] == list(datasets)


def test_a_command_is_completed_without_torch() -> None:
    program = (
        "import sys\n"
        "from scaat.cli.group import run\n"
        "try: run()\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {VARIABLE: "zsh_complete", "COMP_WORDS": "scaat tr", "COMP_CWORD": "1"},
    )
    assert done.stdout.splitlines()[:2] == ["plain", "train"]
    assert done.stderr.strip() == "False"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_command_and_the_variable(shell: str) -> None:
    done = scaat("completion", shell)
    assert done.status == 0
    assert VARIABLE in done.out
    assert f"{shell}_complete" in done.out


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("scaat ev", "evaluate"),
        # Bash replaces what follows the colon.
        ("scaat train --model torchvision:vgg19_", "vgg19_bn"),
        ("scaat completion ", "bash zsh fish"),
    ],
)
def test_in_bash(line: str, expected: str, tmp_path: Path) -> None:
    program = tmp_path / "scaat"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m scaat "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(scaat completion bash)"\n'
        f'COMP_LINE="{line}"; COMP_POINT={len(line)}\n'
        '_scaat_completion scaat\necho "${COMPREPLY[*]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.stdout.strip() == expected, done.stderr
