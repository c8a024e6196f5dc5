from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from tests.training.conftest import brightness

from scaat.cost.plan import Plan, plan_training
from scaat.data import DataSplits
from scaat.errors import InputError
from scaat.training import TrainingOptions
from scaat.training.architecture import starting_model

OPTIONS = TrainingOptions(
    model="nets:tiny", epochs=3, batch_size=8, precision="32", accelerator="cpu"
)


@pytest.fixture
def splits() -> DataSplits:
    return brightness()


def plan(splits: DataSplits, options: TrainingOptions = OPTIONS, **method: object) -> Plan:
    model = starting_model(splits.train, options).model
    name = str(method.pop("method", "standard"))
    return plan_training(splits, model, name, method, options)


@pytest.mark.parametrize(
    ("changes", "batches", "steps"),
    [
        ({}, 18, 18),  # 45 images in 6 batches, three times
        ({"accumulate": 4}, 18, 6),
        ({"devices": 2}, 9, 9),  # 23 images each
        ({"batch_size": 100}, 3, 3),
    ],
)
def test_length_follows_from_the_options(
    splits: DataSplits, changes: dict[str, int], batches: int, steps: int
) -> None:
    found = plan(splits, replace(OPTIONS, **changes))
    assert (found.batches, found.optimizer_steps) == (batches, steps)
    assert found.seconds == found.step_seconds * batches > 0


def test_passes_are_counted_on_the_model_itself(splits: DataSplits) -> None:
    options = replace(OPTIONS, model="small-resnet")
    standard = plan(splits, options)
    assert standard.passes == pytest.approx(3, rel=0.03)
    few, many = (
        plan(splits, options, method="scaat", steps=k, weight=5.0, search_interval=1)
        for k in (1, 4)
    )
    assert few.passes == pytest.approx(9, rel=0.03)
    assert many.passes == pytest.approx(15, rel=0.03)


def test_steps_that_differ_are_averaged_over_the_training(splits: DataSplits) -> None:
    options = replace(OPTIONS, model="small-resnet")  # 18 batches
    often = plan(splits, options, method="scaat", steps=1, weight=5.0, search_interval=3)
    assert often.passes == pytest.approx((9 + 3 + 3) / 3, rel=0.03)


def test_a_trial_leaves_model_and_generator_alone(splits: DataSplits) -> None:
    model = starting_model(splits.train, OPTIONS).model
    before = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    plan_training(splits, model, "scaat", {"steps": 1}, OPTIONS)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_wrong_options_are_refused(splits: DataSplits) -> None:
    with pytest.raises(InputError, match="epsilon"):
        plan(splits, method="scaat", epsilon=-1.0)


@pytest.mark.slow
def test_peak_memory_is_what_the_process_itself_has_held() -> None:
    """In a process of its own, which one that holds more has started."""
    starter, held = 1_500_000_000, 500_000_000  # bytes; the imports alone take less than half of it
    program = f"""
from scaat.cost.plan import peak_memory
before = peak_memory("cpu")
held = b"x" * {held}
print(before, peak_memory("cpu") - before)
"""
    start = f"""
import subprocess, sys
held = b"x" * {starter}
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""
    done = subprocess.run([sys.executable, "-c", start, program], capture_output=True, check=True)
    before, grown = map(int, done.stdout.split())
    assert before < starter
    assert held // 2 < grown < 2 * held
