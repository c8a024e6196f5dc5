from __future__ import annotations

import pytest
import torch

from scaat.training.logs import EpochMeans


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


def test_a_figure_is_averaged_over_the_steps_that_have_it() -> None:
    means = EpochMeans()
    means.add({"loss": torch.tensor(1.0)}, 8)
    means.add({"loss": torch.tensor(4.0), "divergence": torch.tensor(0.5)}, 4)
    means.add({"loss": torch.tensor(4.0), "divergence": torch.tensor(2.0)}, 2)
    joined = means.joined()
    assert joined["loss"].item() == pytest.approx(32 / 14)
    assert joined["divergence"].item() == 1.0
    assert list(joined) == ["loss", "divergence"]
    means.add({"loss": torch.tensor(2.0)}, 8)
    joined = means.joined()
    assert joined["loss"].item() == 2.0
    assert joined["divergence"].isnan()  # once known, in no step of this epoch


def test_a_state_keeps_what_an_epoch_lacks() -> None:
    first, second = EpochMeans(), EpochMeans()
    first.add({"loss": torch.tensor(1.0), "divergence": torch.tensor(0.5)}, 8)
    first.joined()
    first.add({"loss": torch.tensor(3.0)}, 4)
    second.load(first.state(), 0, torch.device("cpu"))
    for means in (first, second):
        means.add({"loss": torch.tensor(6.0)}, 8)
        found = means.joined()
        assert found["loss"] == 5.0
        assert found["divergence"].isnan()


def test_an_older_checkpoint_has_one_number_of_samples() -> None:
    means = EpochMeans()
    sums = torch.tensor([[8.0, 4.0, 8.0]], dtype=torch.float64)
    means.load({"names": ["loss", "accuracy"], "sums": sums}, 0, torch.device("cpu"))
    means.add({"loss": torch.tensor(4.0), "accuracy": torch.tensor(1.0)}, 8)
    assert {name: value.item() for name, value in means.joined().items()} == {
        "loss": 2.5,
        "accuracy": 0.75,
    }


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
