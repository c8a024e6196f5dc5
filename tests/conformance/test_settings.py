"""Every objective on every kind of data: a step, an epoch, resume, two processes, bf16 and fp16."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conformance.settings import BATCH, KINDS, METHODS, Run, epoch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from scaat.data import Augmentation, DataSplits, ImageSet
from scaat.training import TrainingOptions, fit, load_trained
from two_processes import in_two_processes

SETTINGS = list(itertools.product(KINDS, METHODS))
every_setting = pytest.mark.parametrize(("kind", "method"), SETTINGS)


def tensors(state: Any) -> list[Tensor]:
    """Return all tensors in nested containers, in order."""
    if isinstance(state, Tensor):
        return [state]
    if isinstance(state, dict):
        return [t for key in state for t in tensors(state[key])]
    return [t for value in state for t in tensors(value)] if isinstance(state, list) else []


def equal(one: Run, two: Run) -> bool:
    pairs = zip(tensors(one.state()), tensors(two.state()), strict=True)
    return one.losses == two.losses and all(torch.equal(a, b) for a, b in pairs)


@every_setting
def test_one_step_reaches_every_weight(kind: str, method: str) -> None:
    run = Run(kind, method)
    before = copy.deepcopy(dict(run.model.named_parameters()))
    run.step(next(epoch()))
    for name, weight in run.model.named_parameters():
        assert not torch.equal(weight, before[name]), name
    if method == "scaat":
        moved = run.objective.get_buffer("proportion") != 0.2
        assert moved.nonzero().flatten().tolist() == sorted(next(epoch()).tolist())


@pytest.mark.slow
@every_setting
def test_epochs_learn(kind: str, method: str) -> None:
    run = Run(kind, method)
    for number in range(6):
        for index in epoch(number):
            run.step(index)
    with torch.no_grad():
        found = run.model.eval()(run.inputs).argmax(1)
    assert (found == run.labels).float().mean() > 0.85
    assert all(loss == loss for loss in run.losses)


@every_setting
def test_resume_is_bit_identical(kind: str, method: str, tmp_path: Path) -> None:
    whole, cut = Run(kind, method), Run(kind, method)
    batches = list(epoch())
    for index in batches:
        whole.step(index)
    for index in batches[:3]:
        cut.step(index)
    torch.save(cut.state(), tmp_path / "cut.pt")
    resumed = Run(kind, method)
    resumed.load(tmp_path / "cut.pt")
    torch.manual_seed(99)  # whatever a new process's generator holds
    for index in batches[3:]:
        resumed.step(index)
    assert equal(resumed, whole)
    assert not equal(cut, whole)


@every_setting
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_float32(kind: str, method: str, dtype: torch.dtype) -> None:
    half, single = Run(kind, method), Run(kind, method)
    for index in epoch():
        half.step(index, dtype=dtype)
        single.step(index)
    torch.testing.assert_close(half.losses[0], single.losses[0], rtol=0.15, atol=0.05)
    assert all(loss == loss for loss in half.losses)
    assert all(t.isfinite().all() for t in tensors(half.state()) if t.is_floating_point())
    assert half.losses != single.losses


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if len(KINDS[kind].shape) == 3])
@pytest.mark.parametrize("method", METHODS)
def test_images_train_by_one_call_too(kind: str, method: str, tmp_path: Path) -> None:
    """Through `fit`: an epoch in bf16 on networks that take colour, grey images repeated."""
    inputs, labels = KINDS[kind].data()
    images = ImageSet((inputs * 255).to(torch.uint8), labels, ("dark", "bright"))
    splits = DataSplits("small", images, images, images, Augmentation(crop_padding=1), {"seed": 0})
    options = TrainingOptions(
        model="nets:tiny", epochs=1, batch_size=BATCH + 1, precision="bf16", accelerator="cpu"
    )
    trained = fit(splits, *KINDS[kind].arguments(method), options, seed=0, folder=tmp_path)
    assert trained.summary["steps"] == 5
    assert trained.architecture["channels"] == images.channels
    with torch.no_grad():
        expected = trained.model(inputs)
        assert torch.equal(load_trained(tmp_path).model(inputs), expected)


def process(rank: int, folder: Path) -> None:
    """Train every setting on this process's half of each batch."""
    found = {}
    for kind, method in SETTINGS:
        run = Run(kind, method)
        run.model = DistributedDataParallel(run.model)
        for index in epoch():
            run.step(index[rank::2], rank=rank)
        found[f"{kind} {method}"] = run.state()
    torch.save(found, folder / f"{rank}.pt")


@pytest.mark.slow
def test_two_processes_hold_one_model(tmp_path: Path) -> None:
    """After an epoch weights and proportions are equal on both, and every visit counted."""
    in_two_processes(process, tmp_path)
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for kind, method in SETTINGS:
        first, second = one[f"{kind} {method}"], two[f"{kind} {method}"]
        for name, weight in first["model"].items():
            if "running" not in name:  # the first process's statistics go out at the next pass
                assert torch.equal(weight, second["model"][name]), (kind, method, name)
        assert first["losses"] != second["losses"]
        if METHODS[method][0] == "scaat":
            proportion = first["objective"]["proportion"]
            assert torch.equal(proportion, second["objective"]["proportion"])
            # Amortised: every second step after the first; of two samples both are searched.
            searched = slice(1, None, 2) if method == "scaat-amortised" else slice(None)
            visited = torch.cat(list(epoch())[searched])
            assert (proportion != 0.2).nonzero().flatten().tolist() == sorted(visited.tolist())
            assert first["objective"]["step"] == 5
