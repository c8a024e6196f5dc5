"""Who starts the processes, and how many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from scaat.errors import InputError
from scaat.training import load_trained
from scaat.training.devices import (
    Launch,
    is_main_process,
    plan_launch,
    slurm_started,
    started_outside,
)

TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8", "RANK": "5"}
SLURM = {
    "SLURM_NTASKS": "16",
    "SLURM_NTASKS_PER_NODE": "8",
    "SLURM_NNODES": "2",
    "SLURM_PROCID": "0",
    "SLURM_JOB_NAME": "job",
}
UNEVEN = {name: value for name, value in SLURM.items() if name != "SLURM_NTASKS_PER_NODE"}


@pytest.mark.parametrize(
    ("wanted", "environ", "expected"),
    [
        ((None, None, "auto"), {}, Launch(1, 1, "auto")),
        ((3, None, "auto"), {}, Launch(3, 1, "ddp_spawn")),
        ((3, None, "ddp"), {}, Launch(3, 1, "ddp")),
        ((2, 2, "auto"), {}, Launch(2, 2, "ddp")),
        ((None, None, "auto"), TORCHRUN, Launch(4, 2, "ddp")),
        ((4, 2, "ddp"), TORCHRUN, Launch(4, 2, "ddp")),
        ((None, None, "auto"), SLURM, Launch(8, 2, "ddp")),
        ((None, None, "auto"), SLURM | {"SLURM_JOB_NAME": "bash"}, Launch(1, 1, "auto")),
    ],
)
def test_plans(wanted: Any, environ: dict[str, str], expected: Launch) -> None:
    assert plan_launch(*wanted, environ=environ) == expected


def test_weights_without_gradients_are_looked_for_only_where_there_may_be_any() -> None:
    found = plan_launch(2, None, "auto", unused_weights=True, environ={})
    assert found.strategy == "ddp_spawn_find_unused_parameters_true"
    assert plan_launch(1, None, "auto", unused_weights=True, environ={}).strategy == "auto"


@pytest.mark.parametrize(
    ("wanted", "environ", "message"),
    [
        ((None, None, "fsdp"), {}, "strategy is 'fsdp', which shards the weights"),
        ((2, None, "auto"), TORCHRUN, "devices is 2, but torchrun started 4; expected devices 4"),
        ((None, 3, "auto"), SLURM, "nodes is 3, but SLURM started 2"),
        ((None, None, "auto"), UNEVEN, "16 tasks .* expected --ntasks-per-node=8"),
        ((None, None, "ddp_spawn"), TORCHRUN, "torchrun started the processes already"),
        ((1, 2, "ddp_spawn"), {}, "which has one node; found nodes 2"),
    ],
)
def test_what_cannot_work_is_refused(wanted: Any, environ: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_launch(*wanted, environ=environ)


@pytest.mark.parametrize(
    ("environ", "main", "launcher"),
    [
        ({}, True, None),
        ({"LOCAL_RANK": "1"}, False, None),
        ({"NODE_RANK": "1"}, False, None),
        (TORCHRUN, False, "torchrun"),
        (TORCHRUN | {"RANK": "0"}, True, "torchrun"),
        (SLURM, True, "SLURM"),
        (SLURM | {"SLURM_PROCID": "3"}, False, "SLURM"),
        (SLURM | {"SLURM_NTASKS": "1", "SLURM_NNODES": "1"}, True, None),
    ],
)
def test_first_process(environ: dict[str, str], main: bool, launcher: str | None) -> None:
    assert is_main_process(environ) == main
    assert started_outside(environ) == launcher


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "lightning"])
def test_two_processes_make_one_run(launcher: str, tmp_path: Path) -> None:
    """One folder, one line of success, and proportions of every training sample."""
    command = ["-m", "scaat", "train", "--out", str(tmp_path / "run"), "--model", "nets:plain"]
    command += ["--train-limit", "41", "--batch-size", "8", "--epochs", "1", "--precision", "32"]
    command += ["--scaat.steps", "1", "--scaat.proportion-step", "0.05"]
    command += ["--scaat.weight", "5", "--scaat.search-interval", "1"]
    if launcher == "torchrun":
        run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command]
    else:
        run = [*command, "--devices", "2", "--strategy", "ddp"]
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, *run],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("scaat: validation accuracy") == 1
    trained = load_trained(tmp_path / "run")
    assert trained.summary["devices"] == 2
    assert trained.summary["steps"] == 3  # 21 samples of each process, one of them repeated
    assert trained.proportion is not None
    # Every sample was visited once: none twice, though one stands in for the 42nd.
    moved = trained.proportion - 0.2
    torch.testing.assert_close(moved.abs(), torch.full((41,), 0.05))
    assert json.loads((tmp_path / "run" / "training.json").read_text())["epochs"] == 1


def test_torchrun_inside_a_job_is_not_slurm() -> None:
    job = {"SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "train"}
    inside = {"TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4"}
    assert slurm_started(job)
    assert not slurm_started(job | inside)
    assert not slurm_started(job | {"SLURM_JOB_NAME": "bash"})
    assert not slurm_started({})
