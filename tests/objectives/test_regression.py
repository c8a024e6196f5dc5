"""One number a sample: against closed forms of linear models, in any unit of the target."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.objectives.test_one_logit import OPTIONS, Head, batch
from torch import Tensor, nn
from torchmetrics.functional.regression import r2_score

from scaat import SCAAT, Standard
from scaat.errors import InputError
from scaat.functional import saliency_map
from scaat.functional.selection import replace_lowest
from scaat.objectives import TRADES, SaliencyGuided, build_objective, objectives

WEIGHTS = torch.tensor([0.3, -2.0, 0.1, 1.0, -0.6, 0.05])
DEVIATION = 2.5


class Linear(nn.Module):
    """The weighted sum of a table's features, as (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(WEIGHTS.clone())

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs @ self.weight).unsqueeze(1)


class Scaled(Head):
    """The same output in another unit."""

    unit = 1.0

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * self.unit


def table(n: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    inputs = torch.randn(n, len(WEIGHTS), generator=generator)
    return inputs, torch.randn(n, generator=generator), torch.arange(n)


def scaat(n: int = 8, **options: Any) -> SCAAT:
    built = build_objective("scaat", n, {"weight": 3.0, **options})
    assert isinstance(built, SCAAT)
    return built


def run(name: str, unit: float) -> tuple[Any, ...]:
    images, _, index = batch()
    objective = build_objective(name, 10, OPTIONS.get(name, {})).for_regression(0.1 * unit)
    model = Scaled()
    model.unit = unit
    targets = torch.linspace(-0.3, 0.2, 10) * unit
    torch.manual_seed(0)
    output = objective(model, images, targets, index)
    output.loss.backward()
    state = {key: value for key, value in objective.state_dict().items() if key == "proportion"}
    return output.loss, output.terms, [p.grad for p in model.parameters()], state


@pytest.mark.parametrize("name", sorted(objectives))
def test_the_unit_of_the_target_changes_nothing(name: str) -> None:
    """In loss, terms, weights' gradients and proportions."""
    torch.testing.assert_close(run(name, 1.0), run(name, 1000.0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("squeezed", [False, True])
def test_loss_is_one_less_r2(squeezed: bool) -> None:
    inputs, targets, index = table()
    model = nn.Sequential(Linear(), nn.Flatten(0)) if squeezed else Linear()
    deviation = float(targets.std(correction=0))
    output = Standard(bounds=None).for_regression(deviation)(model, inputs, targets, index)
    expected = 1 - r2_score(model(inputs).flatten(), targets)
    torch.testing.assert_close(output.loss, expected)
    assert output.logits.shape == ((8,) if squeezed else (8, 1))


def test_the_map_is_the_absolute_gradient_of_the_output() -> None:
    inputs, targets, _ = table()
    expected = WEIGHTS.abs().expand(8, -1)
    torch.testing.assert_close(saliency_map(Linear(), inputs, targets), expected)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_scaats_divergence_is_that_of_the_lowest_weights(steps: int) -> None:
    """A step of two epsilon reaches the corner that changes a linear output most."""
    options = {"epsilon": 0.2, "steps": steps, "step_size": 0.4, "bounds": None}
    objective = scaat(**options, initial_proportion=0.5).for_regression(DEVIATION)
    inputs, targets, index = table()
    output = objective(Linear(), inputs, targets, index)
    lowest = 0.3 + 0.1 + 0.05
    divergence = (0.2 * lowest / DEVIATION) ** 2
    error = ((inputs @ WEIGHTS - targets) / DEVIATION).square().mean()
    torch.testing.assert_close(output.terms["divergence"].item(), divergence)
    torch.testing.assert_close(output.loss, error + 3 * divergence)


def test_divergences_in_nats_are_the_same_squared_difference() -> None:
    inputs, targets, index = table()
    trades = TRADES(epsilon=0.2, steps=1, step_size=0.4, bounds=None).for_regression(DEVIATION)
    found = trades(Linear(), inputs, targets, index).terms["divergence"]
    expected = (0.2 * WEIGHTS.abs().sum() / DEVIATION).square()
    torch.testing.assert_close(found, expected)
    torch.manual_seed(1)
    masked = replace_lowest(inputs, WEIGHTS.abs().expand(8, -1), 0.5)
    torch.manual_seed(1)
    guided = SaliencyGuided(bounds=None).for_regression(DEVIATION)
    found = guided(Linear(), inputs, targets, index).terms["divergence"]
    torch.testing.assert_close(found, ((masked - inputs) @ WEIGHTS / DEVIATION).square().mean())


@pytest.mark.parametrize(("tolerance", "right"), [(0.6745, [1, 1, 0, 0]), (1.0, [1, 1, 1, 0])])
def test_the_tolerance_moves_the_proportions(tolerance: float, right: list[int]) -> None:
    inputs, _, index = table(4)
    targets = inputs @ WEIGHTS + DEVIATION * torch.tensor([0.0, -0.67, 0.68, 1.01])
    objective = scaat(4, epsilon=0.0, initial_proportion=0.4, bounds=None)
    output = objective.for_regression(DEVIATION, tolerance)(Linear(), inputs, targets, index)
    moved = 0.39 + 0.02 * torch.tensor(right)
    torch.testing.assert_close(objective.proportion, moved)
    assert output.terms["adversarial_accuracy"] == pytest.approx(sum(right) / 4)


def test_the_default_tolerance_holds_half_of_a_normal_distribution() -> None:
    normal = torch.distributions.Normal(0.0, 1.0)
    within = 2 * normal.cdf(torch.tensor(Standard().tolerance)) - 1
    assert within.item() == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.arange(8), r"targets are torch.int64 of shape \(8,\), expected floating point"),
        (torch.zeros(8, 1), r"of shape \(8, 1\), expected floating point, one number for each"),
        (torch.full((8,), torch.nan), "targets hold NaN or infinite values"),
    ],
)
def test_other_targets_are_refused_in_one_sentence(targets: Tensor, message: str) -> None:
    inputs, _, index = table()
    with pytest.raises(InputError, match=message):
        Standard(bounds=None).for_regression(1.0)(Linear(), inputs, targets, index)


def test_several_outputs_are_refused() -> None:
    inputs, targets, index = table()
    with pytest.raises(InputError, match=r"returned shape \(8, 2\), expected \(8, 1\)"):
        Standard(bounds=None).for_regression(1.0)(nn.Linear(6, 2), inputs, targets, index)


def test_options_without_a_meaning_are_refused() -> None:
    for arguments, message in (
        ((0.0,), "deviation is 0.0, expected a positive number"),
        ((1.0, -1.0), "tolerance is -1.0, expected a positive number"),
    ):
        with pytest.raises(InputError, match=message):
            Standard().for_regression(*arguments)
    with pytest.raises(InputError, match="expected 0: numbers are not smoothed"):
        Standard(label_smoothing=0.1).for_regression(1.0)
    with pytest.raises(InputError, match="no accuracy for the budget to keep: give weight"):
        SCAAT(8).for_regression(1.0)
    with pytest.raises(InputError, match="score is 'probability', expected 'logit'"):
        scaat(score="probability").for_regression(1.0)
