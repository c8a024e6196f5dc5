"""The weight that keeps an accuracy budget, against a loop over plain numbers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from tests.objectives.conftest import plain_net, scaat
from torch import Tensor

from scaat.errors import InputError
from scaat.objectives import SCAAT
from scaat.objectives.budget import BudgetedWeight, validation_loss
from two_processes import in_two_processes

Batch = tuple[Tensor, Tensor, Tensor]
SAMPLES, SIZE = 100, 20


def losses(steps: int) -> list[tuple[Tensor, int]]:
    """Cross-entropies that fall from 2 to 0, with noise; the last batch of an epoch is short."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(steps, generator=generator)
    sizes = [SIZE if step % 5 != 4 else SIZE - 7 for step in range(steps)]
    return [(2 * (1 - step / steps) * noise[step], size) for step, size in enumerate(sizes)]


def expected(budget: float, reference: list[float] | None, steps: int) -> list[float]:
    """Return the weights after each step, by a loop over Python's numbers."""
    weight, base, running, lowest, seen, weights = 0.0, 0.4, math.nan, math.inf, 0, []
    start = 0.25 * len(reference) if reference else 1.0
    length = len(reference) - start if reference else 8
    for loss, count in losses(steps):
        value = loss.item()
        seen += count
        running = value if math.isnan(running) else running + (value - running) * count / 200
        if seen / SAMPLES >= start:
            lowest = min(lowest, running)
            target = lowest
            if reference:
                place = min(max((seen - 200) / SAMPLES - 0.5, 0.0), len(reference) - 1)
                low = int(place)
                high = min(low + 1, len(reference) - 1)
                target = reference[low] + (place - low) * (reference[high] - reference[low])
            error = 1 - (running - target) / max(0.05 * budget, 0.003)
            base *= math.exp(3 * count / (length * SAMPLES) * min(max(error, -1), 1))
            base = min(max(base, 0.02), 10.0 if reference else 0.4)
            patience = 3 * max(1 - 2 * (seen / SAMPLES - start) / length, 0)
            rise = min((seen - start * SAMPLES) / 3200, 1)
            weight = rise * base * math.exp(min(max(error + patience, -2), 1))
        weights.append(weight)
    return weights


@pytest.mark.parametrize("reference", [None, [2 - 0.04 * epoch for epoch in range(50)], [1.5, 1.0]])
@pytest.mark.parametrize("budget", [0.0, 0.5, 20.0])
def test_the_weight_is_that_of_a_plain_loop(budget: float, reference: list[float] | None) -> None:
    controller = BudgetedWeight(SAMPLES, budget, reference)
    weights = []
    for loss, count in losses(300):
        controller.observe(loss, count)
        weights.append(controller.weight.item())
    assert weights == pytest.approx(expected(budget, reference, 300), rel=1e-4)
    assert weights[0] == 0.0  # the protected start


@pytest.mark.parametrize("overflow", [0, 7])
def test_a_step_that_overflows_leaves_nothing(overflow: int) -> None:
    controller, without = (BudgetedWeight(SAMPLES, 0.5, [1.5, 1.0]) for _ in range(2))
    for step, (loss, count) in enumerate(losses(60)):
        if step == overflow:
            controller.observe(loss * math.nan, count)
            without.seen += count
        else:
            controller.observe(loss, count)
            without.observe(loss, count)
    assert controller.weight.isfinite()
    for key, value in without.state_dict().items():
        close = torch.testing.assert_close
        close(controller.state_dict()[key], value, rtol=0.05, atol=0)  # the base moved once more


def test_a_loader_that_drops_samples_reaches_the_last_epoch_of_the_reference() -> None:
    reference = [1 - 0.1 * epoch for epoch in range(8)]
    controller = BudgetedWeight(SAMPLES, 0.5, reference, reference, training_steps=16)
    begun = None
    for step in range(1, 17):  # two batches an epoch, of the three that the samples fill
        controller.observe(torch.tensor(reference[(step - 1) // 2]), SAMPLES // 3, step)
        if begun is None and controller.weight > 0:
            begun = step
    assert begun == 2 * 2 + 1  # after a quarter of eight epochs
    before = controller.margin.clone()
    controller.observe_validation(torch.tensor(reference[-1]), torch.tensor(400.0), 16)
    assert controller.margin == (before + 1) / 2  # equal to the last epoch's reference


def test_a_larger_budget_gives_a_larger_weight() -> None:
    weights = []
    for budget in (0.2, 0.5, 1.0, 2.0, 5.0):
        controller = BudgetedWeight(SAMPLES, budget, [0.1] * 10)
        for _ in range(60):
            controller.observe(torch.tensor(0.15), 100)  # 0.05 nats above the reference
        weights.append(controller.weight.item())
    assert weights == sorted(weights)
    assert weights[0] == pytest.approx(0.02 * math.exp(-2))  # the least
    assert weights[-1] > 0.5


def test_the_tolerance_grows_while_validation_allows_it_and_shrinks_back() -> None:
    seen = [0.3, 0.3, 0.3, 0.3, 0.2, 0.1, 0.1, 0.208, 0.3, 0.3]
    controller = BudgetedWeight(SAMPLES, 0.5, [1.0] * 10, [0.2] * 10)
    margin, allowance = 0.0, 1.0
    for epoch, value in enumerate(seen, start=1):
        controller.observe(torch.tensor(1.0), SAMPLES)
        controller.observe_validation(torch.tensor(value), torch.tensor(4000.0))
        if epoch > 0.25 * 10 + 0.5 * 7.5:
            bounded = min(max(1 - (value - 0.2) / 0.00625, -1.0), 1.0)
            margin = (margin + bounded) / 2
            least = min(margin, bounded)  # a loss over the budget counts at once
            allowance *= math.exp(3 / 7.5 * least * (1 if least > 0 else 2))
            allowance = min(max(allowance, 0.5), 10.0)
        assert controller.allowance.item() == pytest.approx(allowance), epoch
    assert controller.relief == 0  # the training loss is that of the reference
    assert allowance == 0.5  # half of the training loss's own tolerance: 4,000 images decide half


def test_a_rise_that_validation_does_not_share_does_not_count() -> None:
    controller = BudgetedWeight(SAMPLES, 0.5, [1.0] * 20, [0.5] * 20)
    relief = 0.0
    # The training loss rises by 0.08. Four times the validation loss's rise is more at first,
    # then less; one standard error with 400 images is 0.02.
    seen = [0.02] * 14 + [-0.01, -0.02, -0.02, -0.005, 0.01, -0.5]
    for epoch, rise in enumerate(seen, start=1):
        for _ in range(4):
            controller.observe(torch.tensor(1.08), SAMPLES)
        controller.seen -= 3 * SAMPLES
        controller.observe_validation(torch.tensor(0.5 + rise), torch.tensor(400.0))
        if epoch > 0.25 * 20 + 0.5 * 15:
            unshared = 0.08 - 4 * (rise + 0.02)
            relief = min(max(min((relief + unshared) / 2, unshared), 0.0), 0.1)
        assert controller.relief.item() == pytest.approx(relief, abs=1e-5), epoch
    assert relief == 0.1  # four times the tolerance


@pytest.mark.parametrize(("images", "excused"), [(400, 0.02), (10000, 0.084), (40, 0.0)])
def test_fewer_validation_images_excuse_less_of_a_rise(images: int, excused: float) -> None:
    controller = BudgetedWeight(SAMPLES, 1.0, [1.0] * 10, [0.5] * 10)
    for _ in range(8):
        controller.observe(torch.tensor(1.1), 32 * SAMPLES)
        controller.seen -= 31 * SAMPLES
    controller.observe_validation(torch.tensor(0.5), torch.tensor(float(images)))
    # Half, as it is averaged with the 0 before.
    assert controller.relief.item() == pytest.approx(excused / 2, abs=1e-5)


@pytest.mark.parametrize(("samples", "trust"), [(100, 100 / 4100), (4000, 0.5), (36000, 0.9)])
def test_accuracy_counts_in_the_validation_loss_by_the_number_of_images(
    samples: int, trust: float
) -> None:
    sums = samples * torch.tensor([0.9, 0.7, 0.8])
    right = torch.tensor(0.75 * samples)
    loss = validation_loss(sums, right, torch.tensor(float(samples)))
    assert loss.item() == pytest.approx((1 - trust) * 0.7 + trust * 25 * 0.0125)


def test_a_larger_tolerance_gives_a_larger_weight() -> None:
    weights = []
    for validation in (0.3, 0.2):
        controller = BudgetedWeight(SAMPLES, 0.5, [1.0] * 10, [0.2] * 10)
        for _ in range(9):
            controller.observe(torch.tensor(1.03), 32 * SAMPLES)  # the running mean at once
            controller.seen -= 31 * SAMPLES
            controller.observe_validation(torch.tensor(validation), torch.tensor(400.0))
        weights.append(controller.weight.item())
    assert weights[1] > 2 * weights[0]


def test_validation_has_no_effect_with_a_constant_weight_or_without_its_reference() -> None:
    constant = scaat(SAMPLES, weight=1.0, reference=[1.0, 1.0], validation_reference=[0.2, 0.2])
    plain = scaat(SAMPLES, weight=None, reference=[1.0, 1.0])
    for objective in (constant, plain):
        objective.budget.seen.fill_(2 * SAMPLES)
        objective.observe_validation(torch.tensor(0.0), torch.tensor(400.0))
        assert objective.budget.allowance == 1.0


def test_the_weight_multiplies_the_divergence_and_follows_each_step(batch: Batch) -> None:
    # Two epochs of four batches: the weight is 0 in the first two steps.
    objective = scaat(48, weight=None, search_interval=2, reference=[9.0, 9.0])
    model = plain_net()
    images, labels, index = batch
    for _ in range(2):
        objective(model, images, labels, index)
    for step in range(4):
        before = objective.budget.weight.clone()
        output = objective(model, images, labels, index)
        assert not torch.equal(objective.budget.weight, before)  # also after a standard step
        if step % 2:
            added = before * output.terms["divergence"]
            torch.testing.assert_close(output.loss.detach(), output.terms["cross_entropy"] + added)
            assert torch.equal(output.terms["weight"], before)


def test_resuming_is_exact_and_casts_keep_the_buffers(batch: Batch) -> None:
    images, labels, index = batch

    def go(objective: SCAAT, steps: range) -> None:
        for step in steps:
            torch.manual_seed(step)
            objective(plain_net(), images, labels, index % 12)

    whole, first, second = (scaat(12, weight=None, reference=[0.1, 0.5]) for _ in range(3))
    go(whole, range(9))
    go(first, range(4))
    second.load_state_dict(first.state_dict())
    go(second.to(torch.bfloat16), range(4, 9))
    for key, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key
        assert value.dtype == second.state_dict()[key].dtype


def process(rank: int, folder: Path) -> None:
    controller = BudgetedWeight(SAMPLES, 0.5, [1.5, 0.4])
    weights = []
    for loss, count in losses(60):
        mine = count // 2 if rank else count - count // 2
        controller.observe(loss, mine)
        weights.append(controller.weight.clone())
    torch.save(torch.stack(weights), folder / f"{rank}.pt")


@pytest.mark.slow
def test_two_processes_have_the_weights_of_one(tmp_path: Path) -> None:
    in_two_processes(process, tmp_path)
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert torch.equal(one, two)
    assert one.tolist() == pytest.approx(expected(0.5, [1.5, 0.4], 60), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accuracy_budget": -1}, "accuracy_budget is -1, expected a non-negative number"),
        ({"reference": []}, r"reference is \[\], expected the mean cross-entropy"),
        ({"reference": [0.5, -1.5]}, "finite numbers of at least 0"),
        ({"reference": [math.nan]}, "finite numbers of at least 0"),
        (
            {"reference": [0.5, 0.4], "validation_reference": [0.5]},
            "validation_reference has 1 values, expected 2",
        ),
    ],
)
def test_bad_budgets_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scaat(12, weight=None, **options)
