"""Two processes measure what one does, to the last byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import torch
from tests import nets
from tests.evaluation.test_measures import OPTIONS, image_set, net
from tests.two_processes import in_two_processes
from torch import distributed

from scaat.data.image_set import ImageSet
from scaat.evaluation import Evaluation, evaluate
from scaat.evaluation.processes import ALONE, Processes
from scaat.options.evaluation import OPTIONAL_MEASURES
from scaat.training import load_trained
from scaat.training.checkpoint import checkpoints, weights_checksum


def measured(processes: Processes = ALONE) -> Evaluation:
    """Everything there is to measure, in batches that two processes cannot divide evenly."""
    torch.set_num_threads(1)
    objects = image_set(21).images[:, 0] > 128
    data: ImageSet = image_set(21, masks=objects)
    options = replace(
        OPTIONS,
        also_measure=OPTIONAL_MEASURES,
        attributions=("gradient", "random"),
        images=19,
        batch_size=8,
        aopc_tolerance=1e-9,
        aopc_max_repeats=5,
    )
    return evaluate(net(), data, options, seed=2, random_label_model=net(5), processes=processes)


def together(rank: int, folder: Path) -> None:
    found = measured(Processes(rank, distributed.get_world_size()))
    torch.save(found, folder / f"{rank}.pt")


@pytest.mark.slow
def test_every_measure_is_that_of_one_process(tmp_path: Path) -> None:
    in_two_processes(together, tmp_path)
    alone = measured()
    for rank in (0, 1):
        found: Evaluation = torch.load(tmp_path / f"{rank}.pt", weights_only=False)
        assert found.settings == alone.settings
        pairs = [(found.answers, alone.answers), (found.examples, alone.examples)]
        for name, result in alone.results.items():
            assert json.dumps(found.results[name].metrics) == json.dumps(result.metrics)
            pairs.append((found.results[name].per_image, result.per_image))
            pairs.append((found.results[name].example_maps, result.example_maps))
        for ours, theirs in pairs:
            assert ours.keys() == theirs.keys()
            for key, values in theirs.items():
                np.testing.assert_array_equal(ours[key], values, err_msg=key)


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
MEASURE = ("--eval-images", "13", "--eval-batch-size", "16", "--eval-aopc-steps", "3")
MEASURE += ("--eval-bootstrap-resamples", "100", "--eval-attributions", "gradient")
MEASURE += ("--eval-also-measure", "lattice", "--data", "digits", "--model", "nets:tiny")


def command(folder: Path, launcher: tuple[str, ...], *arguments: str) -> CompletedProcess[str]:
    """Run scaat in ``folder``, which it makes if need be, in processes of its own."""
    folder.mkdir(exist_ok=True)
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, *launcher, "-m", "scaat", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
    )


def content(folder: Path, done: CompletedProcess[str]) -> dict[str, Any]:
    """Return what a command wrote to ``folder``/run/results.json, without date and command."""
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Report: ") == 1
    written: dict[str, Any] = json.loads((folder / "run" / "results.json").read_text())
    return written | {"environment": written["environment"] | {"date": None, "command": None}}


def assert_equal_arrays(one: Path, two: Path) -> None:
    """Compare two folders' values of each image."""
    with (
        np.load(one / "run" / "per_image.npz") as ours,
        np.load(two / "run" / "per_image.npz") as theirs,
    ):
        assert set(ours) == set(theirs)
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)


@pytest.mark.slow
def test_torchrun_gives_the_results_of_one_process(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(nets.tiny(10).state_dict(), tmp_path / "weights.pt")
    evaluate = ("evaluate", "../weights.pt", "--normalisation", "none", *MEASURE, "--out", "run")
    one, two = tmp_path / "one", tmp_path / "two"
    alone = content(one, command(one, (), *evaluate))
    assert json.dumps(content(two, command(two, TORCHRUN, *evaluate))) == json.dumps(alone)
    assert_equal_arrays(one, two)


@pytest.mark.slow
def test_torchrun_compares_as_one_process_does_the_same_models(tmp_path: Path) -> None:
    """Trained together, evaluated together; interrupted, also, and evaluated by one process."""
    compare = ("compare", "--methods", "standard,scaat", "--scaat.steps", "1", *MEASURE)
    compare += ("--train-limit", "41", "--batch-size", "8", "--epochs", "4", "--precision", "32")
    compare += ("--accelerator", "cpu", "--out", "run")
    two, one, again = tmp_path / "two", tmp_path / "one", tmp_path / "again"
    together = content(two, command(two, TORCHRUN, *compare))
    standard, scaat = (load_trained(two / "run" / "models" / m) for m in ("standard", "scaat"))
    assert standard.summary["devices"] == scaat.summary["devices"] == 2
    assert scaat.summary["reference_val_accuracy"] == standard.summary["val_accuracy"]
    assert scaat.summary["weight"] > 0  # the budget's, which begins after the first epoch

    results = shutil.ignore_patterns("results.json", "report.html", "*.npz", "tables", "figures")
    shutil.copytree(two, one, ignore=results)
    alone = content(one, command(one, (), *compare, "--resume"))
    assert json.dumps(alone) == json.dumps(together)
    assert_equal_arrays(one, two)

    shutil.copytree(two, again, ignore=results)
    cut = again / "run" / "models" / "scaat"
    *_, last = checkpoints(cut)
    for path in (last, cut / "training.json", cut / "model.pt"):
        path.unlink()
    resumed = command(again, TORCHRUN, *compare, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "standard is trained already" in resumed.stderr
    trained = load_trained(cut)
    assert weights_checksum(trained.model.state_dict()) == weights_checksum(
        scaat.model.state_dict()
    )
    assert_equal_arrays(again, two)


@pytest.mark.slow
def test_processes_that_all_fail_say_so_once(tmp_path: Path) -> None:
    done = command(tmp_path, TORCHRUN, "compare", "--data", "folder:nowhere", "--out", "run")
    assert done.returncode != 0
    assert done.stderr.count("error: data folder nowhere does not exist") == 1
    assert not list(tmp_path.iterdir())
