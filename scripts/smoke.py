"""Smoke test of an installed scaat: run it outside the source tree, in the environment to test.

    python smoke.py              # what a plain install offers
    python smoke.py --extra run  # the command line too: trains on a few digits

It needs the standard library and scaat alone, so it tells a missing dependency from a missing file.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

SCRIPT = Path(sysconfig.get_path("scripts")) / "scaat"


def main() -> None:
    """Run the checks; the first that fails ends with a traceback and a non-zero status."""
    parser = argparse.ArgumentParser(description="Smoke test of an installed scaat.")
    parser.add_argument("--extra", choices=["run"], help="what was installed beside the core")
    extra = parser.parse_args().extra
    check_files()
    check_training()
    check_measures()
    if extra == "run":
        check_command_line()
    else:
        check_missing_extra()
    print(f"smoke test passed: scaat {version('scaat')}, Python {sys.version.split()[0]}")


def check_files() -> None:
    """The package is an installed one, whole and of its metadata's version."""
    import scaat

    assert Path(scaat.__file__).is_relative_to(sysconfig.get_path("purelib")), scaat.__file__
    assert "torch" not in sys.modules, "importing scaat alone has to be cheap"
    assert scaat.__version__ == version("scaat")
    package = files("scaat")
    for name in ("py.typed", "report/templates/report.html.j2", "report/templates/page.css"):
        assert package.joinpath(name).is_file(), name


def check_training() -> None:
    """Steps of each objective change the weights and, of SCAAT, the visited proportions."""
    import torch
    from torch import nn

    from scaat import SCAAT, SaliencyGuided, Standard
    from scaat.objectives import Search

    torch.manual_seed(0)
    images, labels, index = torch.rand(8, 3, 8, 8), torch.arange(8) % 3, torch.arange(8)
    scaat_objective = SCAAT(
        num_samples=9, weight=1.0, search=Search(epsilon=8 / 255, steps=2), search_interval=1
    )
    before = scaat_objective.proportion.tolist()
    for objective in (Standard(), SaliencyGuided(), scaat_objective):
        first = nn.Conv2d(3, 4, 3)
        model = nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        start = first.weight.detach().clone()
        losses = []
        for _ in range(3):
            out = objective(model, images, labels, index)
            optimizer.zero_grad()
            out.loss.backward()
            optimizer.step()
            losses.append(out.loss.item())
        assert all(map(math.isfinite, losses)), losses
        assert not torch.equal(first.weight, start)
    after = scaat_objective.proportion.tolist()
    assert all(after[i] != before[i] for i in range(8)), after
    assert after[8] == before[8], "this sample was never seen"


def check_measures() -> None:
    """Functions and metrics give values that are known on paper."""
    import torch

    from scaat.functional import compressed_size, gini, lowest, saliency_map
    from scaat.metrics import GiniIndex, SaliencyEntropy

    weights = torch.tensor([[1.0, -2.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    found = saliency_map(
        lambda x: x.flatten(1) @ weights.T, torch.rand(1, 1, 2, 2), torch.tensor([0])
    )
    torch.testing.assert_close(found, weights[0].abs().reshape(1, 2, 2))
    assert lowest(found, torch.tensor([0.5])).sum() == 2
    maps = torch.zeros(2, 4, 4)
    maps[0, 0, 0] = 1  # all in one of 16 pixels
    maps[1, :2] = 1  # evenly in half of them
    torch.testing.assert_close(gini(maps), torch.tensor([15 / 16, 1 / 2]))
    assert (compressed_size(maps) > 0).all()
    bits = -(math.log2(1 / 16) + 15 * math.log2(15 / 16)) / 16  # of one pixel among 16
    for metric, expected in (
        (GiniIndex(), (15 / 16 + 1 / 2) / 2),
        (SaliencyEntropy(), (bits + 1) / 2),  # two levels, equally often: 1 bit
    ):
        metric.update(maps)
        assert math.isclose(metric.compute().item(), expected, rel_tol=1e-6), metric


def check_missing_extra() -> None:
    """Without the extra the command says in a sentence what to install."""
    done = scaat_command("--help")
    assert done.returncode == 2, done
    assert "the extra 'run'" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def check_command_line() -> None:
    """The command line trains on a few digits, evaluates and writes its report."""
    commands = scaat_command("--help").stdout
    assert "compare" in commands, commands
    if " doctor " in commands:
        assert scaat_command("doctor").returncode == 0
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        options = "--train-limit 64 --epochs 1 --eval-images 8 --methods standard,scaat"
        done = scaat_command("compare", *options.split(), "--out", str(out))
        assert done.returncode == 0, done.stderr
        rows = json.loads((out / "results.json").read_text())["rows"]
        assert {row["method"] for row in rows} == {"standard", "scaat"}
        assert "<html" in (out / "report.html").read_text()


def scaat_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed console script."""
    return subprocess.run(
        [SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=900
    )


if __name__ == "__main__":
    main()
