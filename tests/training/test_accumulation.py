"""Batches that add up, and samples that fill the last batch up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from scaat.data import Augmentation, DataSplits
from scaat.training import TrainingOptions, fit
from scaat.training.batches import loss_scale, real_samples

OPTIONS = TrainingOptions(
    model="nets:plain", epochs=2, batch_size=8, learning_rate=0.05, precision="32",
    accelerator="cpu",
)  # fmt: skip
# Nothing random beside the order.
SCAAT = {"epsilon": 0.0, "proportion_step": 0.07, "weight": 5.0, "search_interval": 1}


@pytest.mark.parametrize("accumulate", [1, 2, 3, 4, 20])
@pytest.mark.parametrize("samples", [1, 7, 8, 45])
def test_each_step_weighs_its_samples_equally(accumulate: int, samples: int) -> None:
    """The factor over Lightning's division and the batch's own mean: one over the step's size."""
    sizes = [len(part) for part in torch.arange(samples).split(4)]
    for first in range(0, len(sizes), accumulate):
        step = sizes[first : first + accumulate]
        for number, size in enumerate(step, first):
            scale = loss_scale(
                number, batch_size=4, accumulate=accumulate, samples=samples, size=size
            )
            assert scale / accumulate / size == pytest.approx(1 / sum(step))


def test_accumulated_batches_equal_one_large_batch(splits: DataSplits, tmp_path: Path) -> None:
    """45 samples: the last step adds 4 and 1. Same weights, and each visit moves q once."""
    splits = replace(splits, augmentation=Augmentation())
    one = fit(splits, "scaat", SCAAT, OPTIONS, seed=0, folder=tmp_path / "one")
    options = replace(OPTIONS, batch_size=4, accumulate=2)
    several = fit(splits, "scaat", SCAAT, options, seed=0, folder=tmp_path / "several")
    assert one.summary["steps"] == several.summary["steps"] == 12
    for a, b in zip(one.model.parameters(), several.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert one.proportion is not None
    assert several.proportion is not None
    assert torch.equal(one.proportion, several.proportion)
    assert one.proportion.unique().numel() > 2


def test_accumulated_batches_have_random_numbers_of_their_own(
    splits: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scaat.training.module as module

    seeds: list[int] = []
    monkeypatch.setattr(module, "seed_step", lambda _seed, step, _rank: seeds.append(step))
    options = replace(OPTIONS, batch_size=16, accumulate=2)
    fit(splits, "standard", {}, options, seed=0, folder=tmp_path)
    assert seeds == list(range(6))


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("samples", [12, 13, 17])
def test_samples_count_once(processes: int, samples: int) -> None:
    """Against torch's own sampler: what it repeats is what does not count."""
    found = []
    for rank in range(processes):
        sampler = DistributedSampler(range(samples), processes, rank, shuffle=True, seed=3)
        loader = DataLoader(range(samples), 4, sampler=sampler)
        for number, batch in enumerate(loader):
            counted = real_samples(loader, number, len(batch), torch.device("cpu"))
            found += (batch if counted is None else batch[counted]).tolist()
    assert sorted(found) == list(range(samples))


@pytest.mark.slow
def test_padded_processes_equal_one(splits: DataSplits, tmp_path: Path) -> None:
    """45 samples on two processes: the 46th is a repeat, which does not move q."""
    splits = replace(splits, augmentation=Augmentation())
    options = replace(OPTIONS, epochs=1)
    one = fit(splits, "scaat", SCAAT, options, seed=0, folder=tmp_path / "one")
    options = replace(options, batch_size=2, accumulate=2, devices=2)
    two = fit(splits, "scaat", SCAAT, options, seed=0, folder=tmp_path / "two")
    assert one.proportion is not None
    assert two.proportion is not None
    assert torch.equal(one.proportion, two.proportion)
    assert one.summary["steps"] == two.summary["steps"] == 6
