"""CONTRIBUTING's diffs of one file and one line, applied to a copy of the package and used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USE = """
import numpy as np, torch
from scaat.attribution import attributions
from scaat.data import DataOptions, load_data
from scaat.evaluation import EvaluationOptions, evaluate
from scaat.models import build_model
from scaat.objectives import build_objective

generator = np.random.default_rng(0)
images = generator.integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)
np.savez("set.npz", images=images, labels=np.arange(40) % 2)
test = load_data(DataOptions("npz:set.npz"), seed=0).test
model = build_model("small-resnet", num_classes=2, image_size=(16, 16), mean=None, std=None)
batch = torch.rand(4, 3, 16, 16), torch.arange(4) % 2, torch.arange(4)
build_objective("confidence-penalty", 40, {"weight": 0.2})(model, *batch).loss.backward()
options = EvaluationOptions(
    images=4, attributions=("squared-gradient",), aopc_repeats=1, bootstrap_resamples=100
)
row = evaluate(model.eval(), test, options).results["squared-gradient"].metrics
assert 0 < row["spread"]["value"] < 16, row
"""


def apply(diff: str, folder: Path) -> None:
    """Apply the files of a diff; a changed one has one run of lines, which must occur once."""
    for old, name, body in re.findall(r"^--- (\S+)\n\+\+\+ (\S+)\n((?:[ +].*\n)+)", diff, re.M):
        lines = body.splitlines()
        after = "".join(f"{line[1:]}\n" for line in lines)
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] == " ")
        path = folder / name
        if old == "/dev/null":
            path.write_text(after)
        else:
            assert path.read_text().count(before) == 1, (name, before)
            path.write_text(path.read_text().replace(before, after))


@pytest.mark.slow
def test_one_file_and_one_line_are_enough(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    diffs = re.findall(r"^```diff\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
    assert len(diffs) == 4
    for diff in diffs:
        assert len(re.findall(r"^\+\+\+ ", diff, re.M)) == 2
        apply(diff, tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
    subprocess.run([sys.executable, "-c", USE], cwd=tmp_path, env=environment, check=True)
