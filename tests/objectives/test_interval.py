"""SCAAT's loss, and the options that spare passes: no search, an interval, a rising weight."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.objectives.conftest import plain_net, scaat
from torch import Tensor, nn

from scaat import Standard
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
from scaat.objectives import SCAAT
from scaat.passes import search_view
from two_processes import in_two_processes

Batch = tuple[Tensor, Tensor, Tensor]


@pytest.mark.parametrize("search_mode", ["train", "eval"])
@pytest.mark.parametrize("steps", [0, 2])
def test_loss_is_that_of_a_loop_over_samples(steps: int, search_mode: str, batch: Batch) -> None:
    """One sample after the other, by `scaat.functional` alone; the random draws are repeated."""
    images, labels, index = batch
    model = plain_net()
    options = {"epsilon": 0.1, "steps": steps, "initial_proportion": 0.3, "proportion_step": 0.125}
    objective = scaat(
        40, weight=2.5, search_mode=search_mode, region_size=4, random_grid=False, **options
    )
    torch.manual_seed(7)
    output = objective(model, *batch)
    output.loss.backward()
    found = [weight.grad.clone() for weight in model.parameters()]

    torch.manual_seed(7)
    starts = torch.empty(12, 3, 10, 9).uniform_(-0.1, 0.1)
    divergences, correct = [], []
    for sample, start in enumerate(starts):
        image, label = images[sample : sample + 1], labels[sample : sample + 1]
        maps = region_average(saliency_map(model, image, label), 4)
        mask = lowest(maps, torch.tensor([0.3]))
        if steps:
            adversarial = masked_pgd(
                search_view(model),
                image,
                mask,
                epsilon=0.1,
                steps=steps,
                start=start[None],
            )
        else:  # from the start against the gradient of the true class's logit at the clean image
            leaf = image.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(model(leaf)[0, label.item()], leaf)
            begun = (image + start).clamp(0, 1)
            moved = (begun - 0.125 * gradient.sign()).clamp(image - 0.1, image + 0.1).clamp(0, 1)
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
        torch.full((40,), 0.3), index, torch.cat(correct),
        step=0.125, minimum=0.1, maximum=0.9,
    )  # fmt: skip
    assert torch.equal(objective.proportion, proportion)
    assert output.terms["proportion"] == pytest.approx(0.3)  # of the whole batch, before the step


def test_steps_between_are_standard_training(trap: nn.Module, batch: Batch) -> None:
    images, labels, index = batch
    objective = scaat(40, steps=1, search_interval=3, warmup_steps=4)
    twin = copy.deepcopy(trap)
    for step in range(1, 8):
        torch.manual_seed(step)
        before = objective.proportion.clone()
        output = objective(trap, *batch)
        assert objective.step == step
        if step in (3, 6):
            assert {"divergence", "adversarial_accuracy"} <= output.terms.keys()
            assert output.loss > output.terms["cross_entropy"]
            # The warm-up counts all steps.
            assert torch.equal(objective.proportion, before) == (step == 3)
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
    amortised = {"search_interval": 5, "ramp_steps": 100}
    for options in ({}, amortised):
        torch.manual_seed(0)
        losses.append(scaat(40, **options).eval()(model, *batch).loss)
    assert torch.equal(*losses)


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
        ({"search_interval": 3, "steps": 1}, 6, (3 + 3 + 9) / 3),
        ({"search_interval": 4, "steps": 0}, 4, 4.0),
        ({"search_interval": 5, "steps": 1}, 5, 4.2),  # 1.4 times standard training
    ],
)
def test_a_step_costs_the_documented_passes(
    options: dict[str, Any], steps: int, expected: float
) -> None:
    assert passes(scaat(12, **options), steps) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("ramp", [{"ramp_steps": 8}, {"ramp_fraction": 0.4, "training_steps": 21}])
def test_the_weight_rises_over_the_ramp(ramp: dict[str, Any], batch: Batch) -> None:
    model = plain_net()
    objective = scaat(40, weight=5.0, steps=1, search_interval=2, **ramp)

    def weight() -> float | None:
        output = objective(model, *batch)
        if "divergence" not in output.terms:
            return None
        added = output.loss.detach() - output.terms["cross_entropy"]
        return float(added / output.terms["divergence"])

    found = [weight() for _ in range(11)]
    # The share is that of the steps made before, whatever they were.
    steps = [1, 3, 5, 7, 9]
    assert [step for step, value in enumerate(found) if value is not None] == steps
    expected = [5.0 * share for share in (1 / 8, 3 / 8, 5 / 8, 7 / 8, 1)]
    assert [found[step] for step in steps] == pytest.approx(expected, rel=1e-4)
    objective.step.zero_()
    objective.eval()
    assert weight() == pytest.approx(5.0, rel=1e-4)


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_resuming_inside_an_interval_is_exact(cut: int, batch: Batch) -> None:
    options = {
        **{"search_interval": 3, "ramp_steps": 7},
        **{"steps": 1, "proportion_step": 0.0625},
    }

    def go(objective: SCAAT, model: nn.Module, steps: range) -> list[float]:
        losses = []
        for step in steps:
            torch.manual_seed(step)
            losses.append(objective(model, *batch).loss.item())
        return losses

    model = plain_net()
    whole, first, second = (scaat(40, **options) for _ in range(3))
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
    model, holder = plain_net(), nn.Module()
    holder.method = scaat(40, steps=1, search_interval=4)
    state = {**holder.state_dict(), "method.step": torch.tensor(3)}
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
    method = scaat(
        40, epsilon=0.3, steps=1, region_size=1, initial_proportion=0.5, proportion_step=0.0625,
        search_interval=2,
    )  # fmt: skip
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.5)
    for step in range(7):
        torch.manual_seed(10 * step + rank)
        # Five or four samples, of each process.
        mine = torch.randperm(40, generator=generator)[:9][rank::2]
        output = method(parallel, inputs[mine], labels[mine], mine)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        if step == 3:  # as after a kill
            state = method.state_dict()
            method = scaat(
                40, epsilon=0.3, steps=1, region_size=1, initial_proportion=0.5,
                proportion_step=0.0625, search_interval=2,
            )  # fmt: skip
            method.load_state_dict(state)
        found.append((method.proportion.clone(), mine, "divergence" in output.terms))
    torch.save((found, parallel.module.weight.detach()), folder / f"{rank}.pt")


@pytest.mark.slow
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
        assert here == there == (step in (1, 3, 5))
        moved = set((one != before).nonzero().flatten().tolist())
        assert moved == (set(mine.tolist()) | set(others.tolist()) if here else set())
        before = one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"search_interval": 0},
            "search_interval is 0, expected a whole number from 1 to 1,000,000,000,000,000",
        ),
        ({"search_interval": 2.5}, "search_interval is 2.5, expected a whole number"),
        ({"search_interval": float("inf")}, "search_interval is inf, expected a whole number"),
        ({"ramp_steps": 0.5}, "ramp_steps is 0.5, expected a whole number from 0 to"),
        (
            {"ramp_fraction": 1.5, "training_steps": 9},
            r"ramp_fraction is 1.5, expected a number in \[0",
        ),
        (
            {"ramp_fraction": 1.0},
            "ramp_fraction is 1.0 without training_steps, expected the number",
        ),
        (
            {"ramp_fraction": 1.0, "training_steps": 0},
            "training_steps is 0, expected a whole number",
        ),
        (
            {"ramp_fraction": 1.0, "training_steps": 9, "ramp_steps": 4},
            "ramp_steps is 4 and ramp_fraction 1.0, expected one of them",
        ),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scaat(40, **options)
