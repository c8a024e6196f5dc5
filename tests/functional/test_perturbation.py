from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from scaat.functional import jeffreys_divergence, lowest, masked_pgd, pgd
from scaat.functional.divergence import DIVERGENCES
from scaat.functional.perturbation import masked_step


def net(shape: tuple[int, ...]) -> nn.Module:
    features = int(torch.tensor(shape).prod())
    return nn.Sequential(nn.Flatten(), nn.Linear(features, 8), nn.Tanh(), nn.Linear(8, 3))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from([(1, 4, 4), (3, 5, 7), (2, 9), (6,), (2, 3, 4, 4)]),
    batch=st.integers(1, 5),
    proportion=st.floats(0, 1),
    epsilon=st.sampled_from([0.0, 1e-4, 8 / 255, 0.3, 1.0]),
    steps=st.integers(0, 4),
    divergence=st.sampled_from(list(DIVERGENCES)),
    seed=st.integers(0, 2**16),
)
def test_never_leaves_ball_mask_or_range(
    shape: tuple[int, ...],
    batch: int,
    proportion: float,
    epsilon: float,
    steps: int,
    divergence: str,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    inputs = torch.rand(batch, *shape).mul(1.4).sub(0.2).clamp(0, 1)  # many on the bounds
    mask = lowest(torch.rand(batch, *shape), torch.full((batch,), proportion))
    chosen = DIVERGENCES[divergence]
    if steps:
        perturbed = masked_pgd(
            net(shape), inputs, mask, epsilon=epsilon, steps=steps, divergence=chosen
        )
    else:
        perturbed = masked_step(inputs, torch.randn(inputs.shape), mask, epsilon=epsilon)
    assert not perturbed.requires_grad
    assert torch.equal(perturbed[~mask], inputs[~mask])
    assert perturbed.min() >= 0
    assert perturbed.max() <= 1
    assert (perturbed - inputs).abs().max() <= epsilon + 1e-6


@pytest.mark.parametrize("sides", [(9,), (4, 4), (2, 3, 4)])
def test_pixel_mask_covers_all_channels(sides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, *sides) * 0.5 + 0.25
    mask = torch.rand(2, *sides) < 0.5
    changed = masked_pgd(net((3, *sides)), images, mask, epsilon=0.1) != images
    assert torch.equal(changed, mask.unsqueeze(1).expand_as(changed))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_one_step_on_a_linear_two_class_model_finds_the_optimum(side: float) -> None:
    # The divergence from the clean prediction grows with |w . delta|, so on each side of the
    # hyperplane w . delta = 0 the optimum is the corner +-epsilon sign(w) on the mask.
    torch.manual_seed(3)
    weight = torch.randn(20, dtype=torch.float64)
    inputs = torch.full((1, 20), 0.5, dtype=torch.float64)
    mask = (torch.arange(20) % 3 != 0)[None]

    def predict(x: Tensor) -> Tensor:
        z = x @ weight
        return torch.stack([z, -z], dim=1)

    start = side * 0.01 * weight.sign()[None]
    found = masked_pgd(predict, inputs, mask, epsilon=0.1, steps=1, start=start)
    optimum = inputs + torch.where(mask, side * 0.1 * weight.sign(), 0.0)
    torch.testing.assert_close(found, optimum, rtol=0, atol=1e-12)
    # No point of the masked ball on that side does better.
    best = jeffreys_divergence(predict(found), predict(inputs))
    rival = inputs + mask * (torch.rand(2000, 20, dtype=torch.float64) - 0.5) * 0.2
    rival = rival[((rival - inputs) @ weight) * side > 0]
    assert (jeffreys_divergence(predict(rival), predict(inputs)) <= best + 1e-12).all()


def test_more_steps_find_more_on_a_curved_model() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, 40), nn.Tanh(), nn.Linear(40, 3)).double()
    for parameter in model.parameters():
        parameter.data *= 3
    inputs = torch.rand(64, 30, dtype=torch.float64)
    mask = torch.ones_like(inputs, dtype=torch.bool)
    start = (torch.rand_like(inputs) - 0.5) * 0.2

    def gain(steps: int) -> float:
        found = masked_pgd(model, inputs, mask, epsilon=0.1, steps=steps, start=start)
        return jeffreys_divergence(model(found), model(inputs)).mean().item()

    started = jeffreys_divergence(model(inputs + start), model(inputs)).mean().item()
    assert started < gain(1) < gain(10)


def test_start_is_random_and_follows_the_seed() -> None:
    model, inputs = net((6,)), torch.full((2, 6), 0.5)
    mask = torch.ones(2, 6, dtype=torch.bool)

    def search(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return masked_pgd(model, inputs, mask, epsilon=0.1, steps=1, step_size=0.01)

    assert torch.equal(search(0), search(0))
    assert not torch.equal(search(0), search(1))


def test_unbounded_inputs_may_leave_the_unit_interval() -> None:
    inputs = torch.tensor([[5.0, -3.0]])
    mask = torch.ones(1, 2, dtype=torch.bool)
    found = masked_pgd(lambda x: x, inputs, mask, epsilon=0.5, steps=1, bounds=None)
    torch.testing.assert_close((found - inputs).abs(), torch.full((1, 2), 0.5))


def test_refuses_no_steps() -> None:
    with pytest.raises(ValueError, match="steps is 0"):
        masked_pgd(lambda x: x, torch.rand(1, 2), torch.ones(1, 2).bool(), epsilon=0.1, steps=0)


def test_ascends_any_function_of_the_logits() -> None:
    """Closed form: the cross-entropy of a linear two-class model is worst in one corner."""
    torch.manual_seed(2)
    weight = torch.randn(3, 20, dtype=torch.float64)
    inputs, labels = torch.full((4, 20), 0.5, dtype=torch.float64), torch.tensor([0, 1, 1, 0])

    def predict(x: Tensor) -> Tensor:
        return torch.stack([x @ weight[0], x @ weight[1]], dim=1)

    found = pgd(
        predict,
        inputs,
        lambda logits: nn.functional.cross_entropy(logits, labels, reduction="sum"),
        epsilon=0.1,
        steps=3,
    )
    away = weight[1 - labels] - weight[labels]
    torch.testing.assert_close(found, inputs + 0.1 * away.sign())


@pytest.mark.parametrize("step_size", [None, 0.03])
def test_a_step_along_a_known_gradient_is_the_search_of_one_step(step_size: float | None) -> None:
    # The gradient of a linear value is the same everywhere, so knowing it is as good as asking.
    torch.manual_seed(0)
    images, weight = torch.rand(4, 3, 5, 5), torch.randn(3, 5, 5)
    mask = torch.rand(4, 5, 5) < 0.6

    def predict(x: Tensor) -> Tensor:
        return (x * weight).flatten(1).sum(1, keepdim=True)

    torch.manual_seed(1)
    searched = pgd(
        predict, images, Tensor.sum, epsilon=0.1, steps=1, mask=mask, step_size=step_size
    )
    torch.manual_seed(1)
    known = weight.expand_as(images)
    found = masked_step(images, known, mask, epsilon=0.1, step_size=step_size)
    assert torch.equal(found, searched)
    assert not torch.equal(found, images)
