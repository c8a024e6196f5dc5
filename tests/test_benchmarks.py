"""The benchmarks: what they compare, and what they refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks import collapse, defaults, memory_flat, proportions, same_outputs
from torch import nn

ROOT = Path(__file__).parents[1]


def test_collapse_searches_regions_of_the_default_size() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).eval()
    images, labels = torch.rand(2, 3, 4, 4), torch.tensor([0, 2])
    bound = {"epsilon": 0.1, "initial_proportion": 0.5, "region_size": None}
    found = collapse.searched(model, images, labels, bound)
    assert all((one - images).abs().max() <= 0.1 + 1e-6 for one in found.values())


def test_collapse_knows_no_constraint_of_a_comparison() -> None:
    assert collapse.constraint({"methods": ["scaat"], "objectives": {"scaat": {}}}) is None


@pytest.mark.parametrize(
    ("second", "count"), [([0.0, 1.0], 1), ([float("nan"), 1.0], 0), ([float("nan")], 1)]
)
def test_a_number_differs_from_none_and_another_shape(
    second: list[float], count: int, tmp_path: Path
) -> None:
    for name, values in (("one", [float("nan"), 1.0]), ("two", second)):
        torch.save({"loss": torch.tensor(values)}, tmp_path / name)
    assert same_outputs.compare(tmp_path / "one", tmp_path / "two") == count


def test_proportions_of_another_weight_have_a_row_of_their_own() -> None:
    def run(seed: int, weight: float | None) -> dict[str, Any]:
        config = {
            "data": {"name": None, "data": "digits"},
            "training": {"model": "small-resnet", "epochs": 1},
            "objectives": {"scaat": {"weight": weight, "accuracy_budget": 0.5}},
            "seed": seed,
        }
        spread = {"p5": 0.1, "median": 0.2, "p95": 0.3}
        return {
            "config": config, "n": 9, "proportion": spread, "background": 0.0, "confidence": 0.0
        }  # fmt: skip

    lines = proportions.report([run(0, 1.0), run(1, 1.0), run(0, 5.0), run(0, None)]).lines
    assert [line.head.rpartition(", ")[2] for line in lines] == [
        "weight 1",
        "weight 5",
        "budget 0.5",
    ]
    assert [line.cells[3].value for line in lines] == ["0, 1", "0", "0"]


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        (memory_flat, ["--out", "OUT", "--images", "10"], "multiples of 1,000"),
        (memory_flat, ["--out", "OUT", "--steps", "300"], "at least 1,000"),
        (same_outputs, ["compare", "one.pt"], "compare takes 2 file(s), found 1"),
        (defaults, ["run", "--data", "digits", "--out", "OUT"], "expected NAME=KIND:PATH"),
    ],
)
def test_bad_arguments_are_refused(
    module: Any,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    with pytest.raises(SystemExit):
        module.main()
    assert message in capsys.readouterr().err


def test_a_table_of_no_results_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["defaults", "table", str(tmp_path)])
    with pytest.raises(SystemExit, match="has no results"):
        defaults.main()


def test_the_gpu_study_has_the_settings_of_its_results(tmp_path: Path) -> None:
    """Those of results/resnet18, which the defaults have left."""
    fake = tmp_path / "scaat"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    script = ROOT / "benchmarks" / "gpu_study.sh"
    subprocess.run(["bash", script, "digits", tmp_path / "out", "1"], env=environment, check=True)
    for name, weight, steps in (("weight-5", 5, 4), ("weight-2", 2, 4), ("fgsm-weight-2", 2, 1)):
        said = (tmp_path / "out" / f"scaat-{name}-seed-0.log").read_text()
        for option in ("epsilon 64/255", f"weight {weight}", f"steps {steps}"):
            assert f"--scaat.{option} " in said
    assert "--scaat" not in (tmp_path / "out" / "standard-seed-0.log").read_text()
