from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from tests.objectives.conftest import plain_net, scaat
from torch import Tensor, nn

from scaat import SaliencyGuided, Standard
from scaat.cost import FlopCounter
from scaat.errors import InputError
from scaat.functional import jeffreys_divergence, lowest, region_average, saliency_map
from scaat.functional.saliency import sum_channels
from scaat.objectives import (
    TRADES,
    InputGradient,
    NormRegularised,
    PGDAdversarial,
    SaliencyGuidedAdversarial,
    Search,
)
from scaat.passes import evaluation_mode, search_view

Batch = tuple[Tensor, Tensor, Tensor]


def test_loss_is_that_of_equation_8(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the adversarial images at hand, the loss is recomputed from its definition."""
    images, labels, _index = batch
    model = plain_net()
    seen: list[Tensor] = []
    import scaat.objectives.search as module

    search = module.masked_pgd

    def spy(*args: object, **kwargs: object) -> Tensor:
        seen.append(search(*args, **kwargs))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(module, "masked_pgd", spy)
    options = {"region_size": 4, "random_grid": False, "initial_proportion": 0.3}
    objective = scaat(40, epsilon=0.1, weight=2.5, **options)
    output = objective(model, *batch)
    clean, adversarial = model(images), model(seen[0])
    expected = (
        nn.functional.cross_entropy(clean, labels)
        + 2.5 * jeffreys_divergence(adversarial, clean).mean()
    )
    torch.testing.assert_close(output.loss, expected)
    maps = region_average(saliency_map(model, images, labels), 4)
    mask = lowest(maps, torch.full((12,), 0.3)).unsqueeze(1).expand_as(images)
    assert torch.equal(seen[0][~mask], images[~mask])
    assert (seen[0] != images)[mask].float().mean() > 0.9
    correct = (adversarial.argmax(1) == labels).float().mean()
    torch.testing.assert_close(output.terms["adversarial_accuracy"], correct)


def test_gradient_of_the_loss_reaches_both_predictions(batch: Batch) -> None:
    """The weights' gradient is that of equation 8 with the perturbation held fixed."""
    images, labels, index = batch
    model = plain_net().double()
    objective = scaat(40, epsilon=0.2, steps=1, adaptive=False)
    torch.manual_seed(1)
    objective(model, images.double(), labels, index).loss.backward()
    found = model[3].weight.grad.clone()
    weight = model[3].weight
    with torch.no_grad():
        for row, column in ((0, 5), (2, 300)):
            values = []
            for step in (1e-6, -1e-6):
                weight[row, column] += step
                torch.manual_seed(1)
                with torch.enable_grad():
                    values.append(objective(model, images.double(), labels, index).loss.item())
                weight[row, column] -= step
            numeric = (values[0] - values[1]) / 2e-6
            assert abs(numeric - found[row, column].item()) < 1e-5


@pytest.mark.parametrize("search_mode", ["train", "eval"])
def test_proportions_follow_algorithm_2(search_mode: str, batch: Batch) -> None:
    _images, labels, index = batch
    # A model that is certain of class 0: perturbed images of that class stay correct.
    model = nn.Sequential(nn.Flatten(), nn.Linear(270, 4))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([9.0, 0, 0, 0]))
    objective = scaat(
        40,
        initial_proportion=0.5,
        proportion_step=0.125,
        min_proportion=0.25,
        max_proportion=0.75,
        warmup_steps=2,
        search_mode=search_mode,
    )
    right = labels == 0
    assert right.any()
    assert (~right).any()
    for expected_up, expected_down in (
        (0.5, 0.5),
        (0.5, 0.5),
        (0.625, 0.375),
        (0.75, 0.25),
        (0.75, 0.25),
    ):
        objective(model, *batch)
        assert (objective.proportion[index[right]] == expected_up).all()
        assert (objective.proportion[index[~right]] == expected_down).all()
    rest = torch.ones(40, dtype=torch.bool)
    rest[index] = False
    assert (objective.proportion[rest] == 0.5).all()
    assert objective.step == 5


def test_an_index_twice_in_a_batch_moves_twice(batch: Batch) -> None:
    images, labels, _ = batch
    model = nn.Sequential(nn.Flatten(), nn.Linear(270, 4))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([9.0, 0, 0, 0]))
    objective = scaat(40, initial_proportion=0.5, proportion_step=0.125)
    labels, index = torch.tensor([0, 0, 1, 0]), torch.tensor([7, 7, 7, 3])
    objective(model, images[:4], labels, index)
    assert objective.proportion[7] == 0.625  # two steps up, one down
    assert objective.proportion[3] == 0.625


def test_fixed_proportions_and_evaluation_mode_change_nothing(batch: Batch) -> None:
    model = plain_net()
    for objective, steps in ((scaat(40, adaptive=False), 1), (scaat(40).eval(), 0)):
        objective(model, *batch)
        assert (objective.proportion == 0.2).all()
        assert objective.step == steps


def test_proportions_are_in_the_state_dict(batch: Batch) -> None:
    objective = scaat(40, initial_proportion=0.5, proportion_step=0.125)
    objective(plain_net(), *batch)
    other = scaat(40, initial_proportion=0.5, proportion_step=0.125)
    other.load_state_dict(objective.state_dict())
    assert torch.equal(other.proportion, objective.proportion)
    assert not (other.proportion == 0.5).all()
    assert other.step == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_cast_leaves_the_proportions_as_they_are(dtype: torch.dtype, batch: Batch) -> None:
    images, labels, index = batch

    def certain() -> nn.ModuleList:
        """A module that holds a model, which is certain of class 0, and the objective."""
        model = nn.Sequential(nn.Flatten(), nn.Linear(270, 4))
        with torch.no_grad():
            model[1].weight.zero_()
            model[1].bias.copy_(torch.tensor([9.0, 0, 0, 0]))
        return nn.ModuleList([model, scaat(40, steps=1, initial_proportion=0.5)])

    def visit(holder: nn.ModuleList, visits: int) -> None:
        model, objective = holder
        for _ in range(visits):
            objective(model, images.to(model[1].weight.dtype), labels, index)

    expected, found = certain(), certain()
    visit(expected, 20)
    visit(found, 7)
    before = found[1].proportion.clone()
    assert found.to(dtype)[0][1].weight.dtype == dtype
    assert found[1].proportion.dtype == torch.float32
    assert torch.equal(found[1].proportion, before)
    visit(found, 13)
    assert torch.equal(found[1].proportion, expected[1].proportion)
    assert found[1].proportion[index[labels == 0]].sub(0.7).abs().max() < 1e-6

    other = certain().to(dtype)
    other.load_state_dict(found.state_dict())
    assert other[1].proportion.dtype == torch.float32
    assert torch.equal(other[1].proportion, expected[1].proportion)
    assert other[1].step == 20
    assert other.type(dtype)[1].step.dtype == torch.int64  # which casts whole numbers, too


def test_the_proportions_follow_the_device() -> None:
    for objective in (scaat(40).to("meta"), scaat(40).to("meta", torch.bfloat16)):
        for buffer in (objective.proportion, objective.step):
            assert buffer.device.type == "meta"
        assert objective.proportion.dtype == torch.float32
        assert objective.to_empty(device="cpu").proportion.device.type == "cpu"
    torch.set_default_dtype(torch.bfloat16)  # as Lightning does where it builds a module
    try:
        assert scaat(40).proportion.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_epsilon_zero_is_standard_training(batch: Batch) -> None:
    model = plain_net()
    output = scaat(40, epsilon=0.0)(model, *batch)
    torch.testing.assert_close(output.loss, Standard()(model, *batch).loss)


def passes(objective: nn.Module) -> float:
    """Forward-equivalent passes of one step, counted from floating-point operations."""
    torch.manual_seed(0)
    middle = nn.Sequential(*(nn.Conv2d(16, 16, 3, padding=1, bias=False) for _ in range(12)))
    # The first layer's input gradient is only wanted sometimes; a deep middle drowns it.
    model = nn.Sequential(nn.Conv2d(3, 16, 1), middle, nn.Flatten(), nn.Linear(1024, 3))
    images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])
    with FlopCounter() as forward:
        model(images)
    with FlopCounter() as counter:
        objective(model, images, labels, torch.arange(4)).loss.backward()
    return counter.total / forward.total


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Standard(), 3),
        (SaliencyGuided(), 8),
        (scaat(4, steps=0), 7),
        (scaat(4, steps=0, search_mode="eval"), 8),
        (scaat(4, steps=1), 9),
        (scaat(4, steps=4), 15),
        (scaat(4, steps=4, search_mode="eval"), 16),
        (PGDAdversarial(steps=3), 10),
        (PGDAdversarial(steps=3, search_mode="train", clean_fraction=0.5), 12),
        (TRADES(steps=3), 13),
        (TRADES(steps=3, search_mode="train"), 12),
        (InputGradient(), 6),
        (NormRegularised(), 5),
        (NormRegularised(steps=3, penalty="l1"), 10),
        (NormRegularised(steps=3, penalty="group"), 10),
        (SaliencyGuidedAdversarial(steps=3), 17),
    ],
)
def test_a_step_costs_the_documented_passes(objective: nn.Module, expected: int) -> None:
    assert passes(objective) == pytest.approx(expected, rel=0.02)


def test_search_mode_decides_what_batch_norm_sees(
    trap: nn.Module, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels, _index = batch
    trap.body[3].p = 0.0  # no dropout: only batch norm differs
    seen: list[Tensor] = []
    perturb = Search.perturb

    def spy(self: Search, model: nn.Module, images: Tensor, gradient: Tensor, *rest: Any) -> Tensor:
        seen.append(sum_channels(gradient))
        return perturb(self, model, images, gradient, *rest)

    monkeypatch.setattr(Search, "perturb", spy)
    scaat(40, search_mode="eval")(trap, *batch)
    with evaluation_mode(trap):
        expected = saliency_map(search_view(trap), images, labels)
    scaat(40, search_mode="train")(trap, *batch)
    torch.testing.assert_close(seen[0], expected)
    assert not torch.allclose(seen[1], expected)


def test_without_a_search_the_class_is_made_less_likely(batch: Batch) -> None:
    """Zero steps: the perturbed images' own class loses, on a linear model in each of them."""
    images, labels, index = batch
    model = nn.Sequential(nn.Flatten(), nn.Linear(270, 4))
    seen: list[Tensor] = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    scaat(40, epsilon=0.1, steps=0)(model, images, labels, index)
    perturbed = seen[-1]
    before, after = (model(x).gather(1, labels[:, None]) for x in (images, perturbed))
    assert (after < before).all()
    assert (perturbed == images).float().mean() > 0.75  # nowhere but in the lowest 0.2


def test_a_negative_number_of_steps_is_refused() -> None:
    with pytest.raises(InputError, match=r"steps is -1, expected a non-negative number"):
        scaat(4, steps=-1)


def test_regions_need_images() -> None:
    inputs = torch.rand(3, 5), torch.tensor([0, 1, 0]), torch.arange(3)
    with pytest.raises(InputError, match=r"shape \(3, 5\): leave it out, or pass 1"):
        scaat(10, region_size=2)(nn.Linear(5, 2), *inputs)
    losses = []
    for options in ({}, {"region_size": 1}):
        torch.manual_seed(0)
        linear = nn.Linear(5, 2)
        losses.append(scaat(10, **options)(linear, *inputs).loss)
    assert torch.equal(*losses)


@pytest.mark.parametrize("sides", [(7,), (9, 5), (8, 5, 9)])
def test_regions_larger_than_the_inputs_are_refused(sides: tuple[int, ...]) -> None:
    inputs = torch.rand(3, 1, *sides), torch.tensor([0, 1, 0]), torch.arange(3)
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
    with pytest.raises(InputError, match=r"at most the shortest side [57] .* found 8"):
        scaat(10, region_size=8)(model, *inputs)


@pytest.mark.parametrize("shape", [(2, 64), (1, 16, 20, 24)])
def test_series_and_volumes_have_regions(shape: tuple[int, ...]) -> None:
    """The features left as they are fill whole regions in all channels."""
    gradient = torch.randn(3, *shape)
    mask = Search(region_size=2, random_grid=False).irrelevant(gradient, torch.full((3,), 0.4))
    maps = region_average(gradient.abs().sum(1), 2)
    assert torch.equal(mask, lowest(maps, torch.full((3,), 0.4)))
    assert 0 < mask.float().mean() < 0.5


@pytest.mark.parametrize(
    ("shape", "side"),
    [
        ((9, 10), 1),
        ((28, 40), 4),
        ((64, 64), 4),
        ((96, 96), 6),
        ((224, 256), 14),
        ((64,), 4),
        ((16, 20, 24), 2),
    ],
)
def test_by_default_regions_suit_the_inputs_and_lie_at_random(
    shape: tuple[int, ...], side: int
) -> None:
    gradient, proportion = torch.randn(2, 3, *shape), torch.full((2,), 0.4)
    maps = gradient.abs().sum(1)
    offsets = list(product(range(side), repeat=len(shape)))
    masks = [lowest(region_average(maps, side, offset), proportion) for offset in offsets]
    drawn = set()
    for _ in range(12):
        mask = Search().irrelevant(gradient, proportion)
        (number,) = [i for i, of_offset in enumerate(masks) if torch.equal(mask, of_offset)]
        drawn.add(number)
    assert len(drawn) >= min(len(offsets), 3)


def test_index_out_of_range_is_refused(batch: Batch) -> None:
    images, labels, index = batch
    with pytest.raises(InputError, match=r"index \d+ is out of range"):
        scaat(5)(plain_net(), images, labels, index)
