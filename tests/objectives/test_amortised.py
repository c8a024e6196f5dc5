"""SCAAT's amortised options: what is searched, what the loss then is, and what it costs."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.objectives.conftest import plain_net
from torch import Tensor, nn

from scaat import SCAAT, Standard
from scaat.cost import FlopCounter
from scaat.errors import InputError
from scaat.functional import (
    jeffreys_divergence,
    lowest,
    masked_pgd,
    region_average,
    saliency_map,
    update_proportion,
)
from scaat.functional.saliency import sum_channels
from scaat.objectives.amortised import choose_samples, is_search_step, searched_count, take
from scaat.passes import evaluation_mode, search_view
from two_processes import in_two_processes

Batch = tuple[Tensor, Tensor, Tensor]


@pytest.mark.parametrize(
    ("interval", "delay", "expected"),
    [
        (1, 0, [1, 2, 3, 4, 5, 6, 7]),
        (3, 0, [3, 6]),
        (1, 4, [5, 6, 7]),
        (2, 3, [5, 7]),
        (2, 9, []),
    ],
)
def test_every_mth_step_after_the_delay(interval: int, delay: int, expected: list[int]) -> None:
    found = [n + 1 for n in range(7) if is_search_step(n, interval=interval, delay=delay)]
    assert found == expected


@pytest.mark.parametrize(
    ("samples", "share", "expected"),
    [
        (64, 0.25, 16),
        (65, 0.25, 17),  # rounded up
        (100, 0.07, 7),  # though the product is 7.000000000000001
        (1000, 1 / 3, 334),
        (64, 1.0, 64),
        (64, 0.001, 2),  # batch norm needs two
        (1, 0.5, 1),
    ],
)
def test_the_share_of_a_batch(samples: int, share: float, expected: int) -> None:
    assert searched_count(samples, share) == expected


def test_every_set_of_samples_is_as_likely() -> None:
    torch.manual_seed(0)
    drawn: Counter[frozenset[int]] = Counter()
    for _ in range(2000):
        chosen = choose_samples(5, 2, torch.device("cpu"))
        assert chosen is not None
        drawn[frozenset(chosen.tolist())] += 1
    assert len(drawn) == 10
    # 200 each, standard deviation 13.4.
    assert all(150 < count < 250 for count in drawn.values())


def test_whole_batches_draw_nothing() -> None:
    before = torch.get_rng_state()
    assert choose_samples(5, 5, torch.device("cpu")) is None
    assert torch.equal(torch.get_rng_state(), before)


def test_a_part_keeps_the_memory_format() -> None:
    images = torch.rand(4, 3, 5, 5)
    chosen = torch.tensor([2, 0])
    for memory in (torch.channels_last, torch.contiguous_format):
        found = take(images.contiguous(memory_format=memory), chosen)
        assert found.is_contiguous(memory_format=memory)
        assert torch.equal(found[1], images[0])


@pytest.mark.parametrize("search_mode", ["train", "eval"])
@pytest.mark.parametrize("share", [0.25, 0.6, 1.0])
@pytest.mark.parametrize("steps", [0, 2])
def test_loss_is_that_of_a_loop_over_the_chosen(
    steps: int, share: float, search_mode: str, batch: Batch
) -> None:
    """One sample after the other, by `scaat.functional` alone; the random draws are repeated."""
    images, labels, index = batch
    model = plain_net()
    options = {"epsilon": 0.1, "steps": steps, "initial_proportion": 0.3, "proportion_step": 0.125}
    objective = SCAAT(
        40, weight=2.5, search_mode=search_mode, search_share=share, region_size=4, **options
    )
    torch.manual_seed(7)
    output = objective(model, *batch)
    output.loss.backward()
    found = [weight.grad.clone() for weight in model.parameters()]

    count = {0.25: 3, 0.6: 8, 1.0: 12}[share]
    torch.manual_seed(7)
    chosen = torch.arange(12) if count == 12 else torch.randperm(12)[:count]
    starts = torch.empty(count, 3, 10, 9).uniform_(-0.1, 0.1)
    divergences, correct = [], []
    for sample, start in zip(chosen.tolist(), starts, strict=True):
        image, label = images[sample : sample + 1], labels[sample : sample + 1]
        maps = region_average(saliency_map(model, image, label), 4)
        mask = lowest(maps, torch.tensor([0.3]))
        if steps:
            adversarial = masked_pgd(
                search_view(model), image, mask, epsilon=0.1, steps=steps, start=start[None]
            )
        else:  # from the start against the gradient of the true class's logit at the clean image
            leaf = image.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(model(leaf)[0, label.item()], leaf)
            begun = (image + start).clamp(0, 1)
            moved = (begun - 0.25 * gradient.sign()).clamp(image - 0.1, image + 0.1).clamp(0, 1)
            adversarial = torch.where(mask[:, None], moved, image)
        logits = model(adversarial)
        divergences.append(jeffreys_divergence(logits, model(image)))
        correct.append(logits.argmax(1) == label)
    divergence = torch.cat(divergences).mean()
    expected = nn.functional.cross_entropy(model(images), labels) + 2.5 * divergence
    torch.testing.assert_close(output.loss, expected)
    torch.testing.assert_close(output.terms["divergence"], divergence.detach())
    accuracy = torch.cat(correct).float().mean()
    torch.testing.assert_close(output.terms["adversarial_accuracy"], accuracy)
    model.zero_grad()
    expected.backward()
    for gradient, weight in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, weight.grad)
    proportion = update_proportion(
        torch.full((40,), 0.3), index[chosen], torch.cat(correct),
        step=0.125, minimum=0.1, maximum=0.9,
    )  # fmt: skip
    assert torch.equal(objective.proportion, proportion)
    assert output.terms["proportion"] == pytest.approx(0.3)  # of the whole batch, before the step


def test_the_divergence_is_unbiased() -> None:
    """Its mean over many draws is that of the whole batch, as far as the draws' spread lets see."""
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    inputs, labels = torch.randn(10, 6), torch.arange(10) % 3
    inputs[:3] *= 6  # some samples differ a lot from the others
    means, errors = [], []
    for share in (1.0, 0.3):
        objective = SCAAT(
            10, epsilon=1.0, steps=1, region_size=1, bounds=None, adaptive=False, search_share=share
        )
        torch.manual_seed(1)
        found = torch.stack(
            [objective(model, inputs, labels, labels).terms["divergence"] for _ in range(400)]
        )
        means.append(found.mean())
        errors.append(found.var() / 400)
    error = (errors[0] + errors[1]).sqrt()
    assert error < 0.1 * means[0]
    assert (means[0] - means[1]).abs() < 3 * error


def test_an_index_twice_among_the_chosen_moves_twice(batch: Batch) -> None:
    images, labels, _ = batch
    model = nn.Sequential(nn.Flatten(), nn.Linear(270, 4))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([9.0, 0, 0, 0]))
    objective = SCAAT(40, initial_proportion=0.5, proportion_step=0.125, search_share=0.5)
    labels = torch.zeros(12, dtype=torch.int64)
    objective(model, images, labels, torch.full((12,), 7))
    assert objective.proportion[7] == 0.9  # six of twelve visits, bounded once
    counted = torch.arange(12) % 3 == 0
    for _ in range(20):
        objective(model, images, labels, torch.arange(20, 32), counted)
    moved = objective.proportion[20:32] != 0.5
    assert torch.equal(moved, counted)  # what fills a batch up moves nothing


def test_steps_between_are_standard_training(trap: nn.Module, batch: Batch) -> None:
    images, labels, index = batch
    objective = SCAAT(40, steps=1, search_interval=3, delay_steps=1, warmup_steps=4)
    twin = copy.deepcopy(trap)
    for step in range(1, 8):
        torch.manual_seed(step)
        before = objective.proportion.clone()
        output = objective(trap, *batch)
        assert objective.step == step
        if step in (4, 7):
            assert {"divergence", "adversarial_accuracy"} <= output.terms.keys()
            assert output.loss > output.terms["cross_entropy"]
            # The warm-up counts all steps.
            assert torch.equal(objective.proportion, before) == (step == 4)
            twin.load_state_dict(trap.state_dict())
            continue
        assert output.terms.keys() == {"cross_entropy", "proportion"}
        torch.manual_seed(step)
        expected = Standard()(twin, images, labels, index)
        assert torch.equal(output.loss, expected.loss)
        assert torch.equal(objective.proportion, before)
        for one, two in zip(trap.buffers(), twin.buffers(), strict=True):
            assert torch.equal(one, two)


def test_in_evaluation_mode_everything_is_searched(batch: Batch) -> None:
    model = plain_net()
    losses = []
    amortised = {"search_share": 0.25, "search_interval": 5, "delay_steps": 100}
    for options in ({}, amortised):
        torch.manual_seed(0)
        losses.append(SCAAT(40, **options).eval()(model, *batch).loss)
    assert torch.equal(*losses)


@pytest.mark.parametrize("search_mode", ["train", "eval"])
def test_batch_statistics_alone_are_no_divergence(
    search_mode: str, trap: nn.Module, batch: Batch
) -> None:
    """With nothing perturbed the loss is the cross-entropy, and so is its gradient."""
    trap.body[3].p = 0.0  # no dropout: only batch norm differs
    trap.body[4] = nn.Conv2d(6, 8, 3)  # nor another vector of power iteration in each pass
    images, labels, index = batch
    gradients = []
    for objective in (
        Standard(),
        SCAAT(40, epsilon=0.0, weight=100.0, search_share=0.25, search_mode=search_mode),
    ):
        trap.zero_grad()
        output = objective(trap, images, labels, index)
        torch.testing.assert_close(output.loss, nn.functional.cross_entropy(output.logits, labels))
        output.loss.backward()
        gradients.append([p.grad for p in trap.parameters() if p.grad is not None])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)


def test_a_small_part_has_its_own_batch_statistics(trap: nn.Module, batch: Batch) -> None:
    """The map and the search's reference come from one pass over the part, in the model's mode."""
    images, labels, _ = batch
    trap.body[3].p = 0.0  # no dropout: only batch norm differs
    found = sum_channels(SCAAT(40)._separate_gradient(trap, images[:4], labels[:4])[1])
    expected = saliency_map(search_view(trap), images[:4], labels[:4])
    torch.testing.assert_close(found, expected)
    with evaluation_mode(trap):
        assert not torch.allclose(found, saliency_map(search_view(trap), images[:4], labels[:4]))


def passes(objective: nn.Module, steps: int = 1) -> float:
    """Forward-equivalent passes of a step, the mean of several, from floating-point operations."""
    torch.manual_seed(0)
    middle = nn.Sequential(*(nn.Conv2d(16, 16, 3, padding=1, bias=False) for _ in range(12)))
    model = nn.Sequential(nn.Conv2d(3, 16, 1), middle, nn.Flatten(), nn.Linear(1024, 3))
    images, labels = torch.rand(12, 3, 8, 8), torch.arange(12) % 3
    with FlopCounter() as forward:
        model(images)
    with FlopCounter() as counter:
        for _ in range(steps):
            objective(model, images, labels, torch.arange(12)).loss.backward()
    return counter.total / forward.total / steps


@pytest.mark.parametrize(
    ("options", "steps", "expected"),
    [
        # 3 + (5 + 2k) s
        ({"search_share": 0.75, "steps": 1}, 1, 3 + 7 * 0.75),
        ({"search_share": 0.25, "steps": 4}, 1, 3 + 13 * 0.25),
        ({"search_share": 0.5, "steps": 0}, 1, 3 + 5 * 0.5),
        ({"search_share": 1 / 6, "steps": 1}, 1, 4.2),  # 1.4 times standard training
        # 3 + (6 + 2k) s
        ({"search_share": 0.75, "steps": 1, "search_mode": "eval"}, 1, 3 + 8 * 0.75),
        ({"search_share": 0.25, "steps": 2, "search_mode": "eval"}, 1, 3 + 10 * 0.25),
        # 3 + (4 + 2k + 2n) s for n maps of SmoothGrad
        (
            {"search_share": 0.5, "steps": 1, "saliency": "smoothgrad", "smoothgrad_samples": 3},
            1,
            3 + 12 * 0.5,
        ),
        ({"search_interval": 3, "steps": 1}, 6, (3 + 3 + 9) / 3),
        ({"search_interval": 4, "steps": 0}, 4, 4.0),
        ({"search_interval": 5, "steps": 1}, 5, 4.2),  # 1.4 times standard training
        ({"delay_steps": 3, "steps": 4}, 4, (3 + 3 + 3 + 15) / 4),
        ({"search_interval": 2, "search_share": 0.25, "steps": 1}, 2, (3 + 4.75) / 2),
    ],
)
def test_a_step_costs_the_documented_passes(
    options: dict[str, Any], steps: int, expected: float
) -> None:
    assert passes(SCAAT(12, **options), steps) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("ramp", [{"ramp_steps": 8}, {"ramp_share": 0.4, "training_steps": 21}])
def test_the_weight_rises_over_the_ramp(ramp: dict[str, Any], batch: Batch) -> None:
    model = plain_net()
    objective = SCAAT(40, weight=5.0, steps=1, search_interval=2, delay_steps=1, **ramp)

    def weight() -> float | None:
        output = objective(model, *batch)
        if "divergence" not in output.terms:
            return None
        added = output.loss.detach() - output.terms["cross_entropy"]
        return float(added / output.terms["divergence"])

    found = [weight() for _ in range(11)]
    # The share is that of the steps made before, whatever they were.
    steps = [2, 4, 6, 8, 10]
    assert [step for step, value in enumerate(found) if value is not None] == steps
    expected = [5.0 * share for share in (2 / 8, 4 / 8, 6 / 8, 1, 1)]
    assert [found[step] for step in steps] == pytest.approx(expected, rel=1e-4)
    objective.step.zero_()
    objective.eval()
    assert weight() == pytest.approx(5.0, rel=1e-4)


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_resuming_inside_an_interval_is_exact(cut: int, batch: Batch) -> None:
    options = {
        **{"search_share": 0.5, "search_interval": 3, "ramp_steps": 7},
        **{"steps": 1, "proportion_step": 0.0625},
    }

    def go(objective: SCAAT, model: nn.Module, steps: range) -> list[float]:
        losses = []
        for step in steps:
            torch.manual_seed(step)
            losses.append(objective(model, *batch).loss.item())
        return losses

    model = plain_net()
    whole, first, second = (SCAAT(40, **options) for _ in range(3))
    expected = go(whole, model, range(9))
    losses = go(first, model, range(cut))
    go(second, model, range(2))  # a state replaces whatever an objective has counted
    second.load_state_dict(first.state_dict())
    assert losses + go(second, model, range(cut, 9)) == expected
    assert torch.equal(second.proportion, whole.proportion)
    assert not (whole.proportion == 0.5).all()
    assert second.step == 9


@pytest.mark.parametrize("assign", [False, True])
def test_the_count_follows_whatever_changes_the_buffer(assign: bool, batch: Batch) -> None:
    """A loaded state, inside another module's too, a move of devices, and a copy."""
    state = {"method.step": torch.tensor(3), "method.proportion": torch.full((40,), 0.5)}
    model, holder = plain_net(), nn.Module()
    holder.method = SCAAT(40, steps=1, search_interval=4)
    holder.method(model, *batch)
    holder.load_state_dict(state, assign=assign)
    twin = copy.deepcopy(holder.method)
    for objective in (holder.method.to(torch.float64), twin):
        assert "divergence" in objective(model, *batch).terms
        assert "divergence" not in objective(model, *batch).terms
        assert objective.step == 5


def process(rank: int, folder: Path) -> None:
    """Train on half of each batch, as `tests/objectives/test_gather.py` does, and log visits."""
    found = []
    generator = torch.Generator().manual_seed(2)
    inputs, labels = torch.rand(40, 6, generator=generator), torch.arange(40) % 3
    torch.manual_seed(1)
    parallel = nn.parallel.DistributedDataParallel(nn.Linear(6, 3))
    method = SCAAT(
        40, epsilon=0.3, steps=1, region_size=1, initial_proportion=0.5, proportion_step=0.0625,
        search_share=0.4, search_interval=2, delay_steps=1,
    )  # fmt: skip
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.5)
    for step in range(7):
        torch.manual_seed(10 * step + rank)
        # Five or four samples, of each process: two are searched.
        mine = torch.randperm(40, generator=generator)[:9][rank::2]
        output = method(parallel, inputs[mine], labels[mine], mine)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        if step == 3:  # as after a kill
            state = method.state_dict()
            method = SCAAT(
                40, epsilon=0.3, steps=1, region_size=1, initial_proportion=0.5,
                proportion_step=0.0625, search_share=0.4, search_interval=2, delay_steps=1,
            )  # fmt: skip
            method.load_state_dict(state)
        found.append((method.proportion.clone(), mine, "divergence" in output.terms))
    torch.save((found, parallel.module.weight.detach()), folder / f"{rank}.pt")


def test_two_processes_agree(tmp_path: Path) -> None:
    """On the steps, on the proportions after each, and on the weights."""
    in_two_processes(process, tmp_path)
    (first, weight), (second, other) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert torch.equal(weight, other)
    before = torch.full((40,), 0.5)
    for step, ((one, mine, here), (two, others, there)) in enumerate(
        zip(first, second, strict=True)
    ):
        assert torch.equal(one, two)
        assert here == there == (step in (2, 4, 6))
        moved = set((one != before).nonzero().flatten().tolist())
        assert len(moved & set(mine.tolist())) == (2 if here else 0)
        assert len(moved & set(others.tolist())) == (2 if here else 0)
        before = one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search_share": 0}, "search_share is 0, expected a number above 0, at most 1"),
        ({"search_share": 1.5}, "search_share is 1.5, expected"),
        ({"search_share": float("nan")}, "search_share is nan, expected"),
        (
            {"search_interval": 0},
            "search_interval is 0, expected a whole number from 1 to 1,000,000,000,000,000",
        ),
        ({"search_interval": 2.5}, "search_interval is 2.5, expected a whole number"),
        ({"search_interval": float("inf")}, "search_interval is inf, expected a whole number"),
        ({"delay_steps": -1}, "delay_steps is -1, expected a whole number from 0 to"),
        ({"ramp_steps": 0.5}, "ramp_steps is 0.5, expected a whole number from 0 to"),
        ({"ramp_share": 1.5, "training_steps": 9}, r"ramp_share is 1.5, expected a number in \[0"),
        ({"ramp_share": 1.0}, "ramp_share is 1.0 without training_steps, expected the number"),
        ({"ramp_share": 1.0, "training_steps": 0}, "training_steps is 0, expected a whole number"),
        (
            {"ramp_share": 1.0, "training_steps": 9, "ramp_steps": 4},
            "ramp_steps is 4 and ramp_share 1.0, expected one of them",
        ),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SCAAT(40, **options)


def test_inputs_without_regions_are_refused_before_the_delay_ends() -> None:
    with pytest.raises(InputError, match="leave it out, or pass 1"):
        SCAAT(10, delay_steps=1000, region_size=2)(
            nn.Linear(5, 2), torch.rand(3, 5), torch.tensor([0, 1, 0]), torch.arange(3)
        )
