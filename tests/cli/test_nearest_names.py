"""Wherever a name is taken, a misspelt one is told the nearest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.inside import scaat

TRAIN = ("train", "--out", "out", "--dry-run")
COMPARE = ("compare", "--out", "out", "--dry-run")


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (("newrun",), "new-run"),
        (("data", "inof", "digits"), "info"),
        ((*TRAIN, "--lerning-rate", "1"), "--learning-rate"),
        ((*TRAIN, "--scat.epsilon", "1"), "--scaat.epsilon"),
        ((*TRAIN, "--method", "scat"), "scaat"),
        ((*TRAIN, "--schedule", "cosin"), "cosine"),
        ((*TRAIN, "--precision", "bf61"), "bf16"),
        ((*TRAIN, "--accelerator", "gpuu"), "gpu"),
        ((*TRAIN, "--input-size", "won"), "own"),
        ((*TRAIN, "--trainable", "headd"), "head"),
        ((*TRAIN, "--adapter", "men"), "mean"),
        ((*TRAIN, "--scaat.divergence", "jefreys"), "jeffreys"),
        ((*TRAIN, "--model", "resnet81"), "resnet18"),
        ((*TRAIN, "--model", "resnet50"), "torchvision:resnet50"),
        ((*TRAIN, "--model", "torchvision:resnet81"), "resnet18"),
        ((*TRAIN, "--model", "torchvison:resnet18"), "torchvision"),
        ((*TRAIN, "--model", "nets:plane"), "plain"),
        ((*TRAIN, "--data", "foldr:x"), "folder"),
        ((*TRAIN, "--data", "."), "folder:."),
        ((*COMPARE, "--methods", "standrd,scaat"), "standard"),
        ((*COMPARE, "--eval-attributions", "gradcam"), "grad-cam"),
        ((*COMPARE, "--eval-also-measure", "raod"), "road"),
        ((*COMPARE, "--eval-aopc-fill", "blurr"), "blur"),
        ((*COMPARE, "--eval-precision", "bfloat"), "bfloat16"),
        (("explain", "x", "--resize", "corp", "--out", "out"), "crop"),
        (("explain", "x", "--attributions", "gradiant", "--out", "out"), "gradient"),
        (("completion", "zhs"), "zsh"),
    ],
)
def test_on_the_command_line(
    arguments: tuple[str, ...], nearest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = scaat(*arguments)
    assert done.status == 2
    said = done.err.splitlines()[-1]
    # click words the nearest option by its version.
    assert re.search(rf"(mean|options|expected)\b.*{re.escape(nearest)}(?!\w)", said), said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("training: {epocs: 3}", "training.epochs"),
        ("epochs: 3", "training.epochs"),
        ("objectives: {scat: {epsilon: 0.1}}", "objectives.scaat.epsilon"),
        ("training: {schedule: cosin}", "cosine"),
    ],
)
def test_in_a_configuration(text: str, nearest: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    done = scaat("train", "--config", file, "--out", tmp_path / "out")
    assert done.status == 2
    assert f"did you mean {nearest!r}?" in done.err
