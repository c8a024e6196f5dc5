from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scaat.data import DataSplits
from scaat.errors import InputError, MemoryExhaustedError
from scaat.training import NonFiniteLossError, TrainingOptions, fit
from scaat.training.interruption import translate_errors

OPTIONS = TrainingOptions(
    model="nets:tiny", epochs=1, batch_size=8, precision="32", accelerator="cpu"
)

LIMITED = """
import resource, sys, torch
from scaat.errors import MemoryExhaustedError
from scaat.training import TrainingOptions
from scaat.training.interruption import translate_errors

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
try:
    with translate_errors(TrainingOptions(batch_size=512, precision="32")):
        torch.ones(2**28)
except MemoryExhaustedError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_that_really_runs_out_says_what_to_lower() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.startswith("memory ran out in training; lower batch_size (now 512;"), done
    assert "bf16" in done.stdout


def test_advice_names_what_this_training_uses() -> None:
    options = replace(OPTIONS, precision="bf16")
    with (
        pytest.raises(MemoryExhaustedError, match="image_size") as caught,
        translate_errors(options),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    assert "bf16" not in str(caught.value)


def test_other_errors_pass_as_they_are() -> None:
    with (
        pytest.raises(RuntimeError, match="mat1 and mat2"),
        translate_errors(OPTIONS),
    ):
        torch.ones(2, 3) @ torch.ones(2, 3)


@pytest.mark.slow
def test_a_spawned_process_speaks_in_the_same_sentence(splits: DataSplits, tmp_path: Path) -> None:
    """Spawned processes hand errors over as text, with a traceback around."""
    options = replace(OPTIONS, devices=2, learning_rate=1e30)
    with pytest.raises(NonFiniteLossError, match=r"^the loss became .* on training samples"):
        fit(splits, "standard", {}, options, seed=0, folder=tmp_path)


def test_a_batch_of_one_under_batch_norm(splits: DataSplits, tmp_path: Path) -> None:
    options = replace(OPTIONS, model="nets:pooled_norm", batch_size=44)
    with pytest.raises(InputError, match=r"batch of one image.*batch_size \(now 44\)"):
        fit(splits, "standard", {}, options, seed=0, folder=tmp_path)
