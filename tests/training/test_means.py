from __future__ import annotations

import pytest
import torch

from scaat.training.means import EpochMeans


def test_means_weigh_by_samples_and_begin_anew() -> None:
    means = EpochMeans()
    means.add({"loss": torch.tensor(1.0), "accuracy": torch.tensor(0.5)}, 8)
    means.add({"loss": torch.tensor(4.0), "accuracy": torch.tensor(1.0)}, 4)
    joined = means.joined()
    assert {name: value.item() for name, value in joined.items()} == {
        "loss": 2.0,
        "accuracy": pytest.approx(2 / 3),
    }
    means.add({"loss": torch.tensor(7.0)}, 1)
    assert means.joined()["loss"] == 7.0


@pytest.mark.parametrize("cut", range(4))
def test_a_state_goes_on_bit_by_bit(cut: int) -> None:
    values = torch.rand(3, generator=torch.Generator().manual_seed(0))
    whole, first, second = EpochMeans(), EpochMeans(), EpochMeans()
    for number, value in enumerate(values):
        whole.add({"loss": value}, 5 + number)
        if number < cut:
            first.add({"loss": value}, 5 + number)
    second.load(first.state(), 0, torch.device("cpu"))
    for number, value in enumerate(values):
        if number >= cut:
            second.add({"loss": value}, 5 + number)
    assert torch.equal(whole.joined()["loss"], second.joined()["loss"])
