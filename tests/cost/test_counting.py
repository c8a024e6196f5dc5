"""Operations by kind, against counts on paper and the documented table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from scaat.cost import FlopCounter, Operations, count_operations
from scaat.objectives import Standard, build_objective, objectives

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "cost.md"


def step(objective: nn.Module, model: nn.Module, images: Tensor) -> Operations:
    labels, index = torch.arange(len(images)) % 2, torch.arange(len(images))
    return count_operations(lambda: objective(model, images, labels, index).loss.backward(), model)


def test_a_perceptron() -> None:
    """5 images of 6 numbers, layers 6 to 7 to 2: on paper 2 operations a product."""
    model = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 2))
    first, second = 2 * 5 * 6 * 7, 2 * 5 * 7 * 2
    images = torch.rand(5, 6)
    assert step(Standard(), model, images) == Operations(first + second, second, first + second)
    # Map and search need the first layer's input gradient; of the two backward passes of the loss,
    # that of the graph which served the map computes it again, as torch does for every leaf.
    scaat = build_objective("scaat", 5, {"steps": 1, "region_size": 1, "search_interval": 1})
    both = first + second
    assert step(scaat, model, images) == Operations(3 * both, 3 * both + second, 2 * both)


@pytest.mark.parametrize("batch", [3, 6])
def test_square_matrices_are_told_apart(batch: int) -> None:
    """Shapes say nothing where the batch is as large as the layers."""
    model = nn.Sequential(*(nn.Linear(6, 6, bias=bias) for bias in (True, False)), nn.Linear(6, 2))
    square, head = 2 * batch * 6 * 6, 2 * batch * 6 * 2
    found = step(Standard(), model, torch.rand(batch, 6))
    assert found == Operations(2 * square + head, square + head, 2 * square + head)


@pytest.mark.parametrize(
    ("layer", "products"),
    [
        (nn.Conv2d(4, 6, 3, padding=1), 6 * 4 * 9 * 8 * 8),
        (nn.Conv2d(4, 6, 3, stride=2, bias=False), 6 * 4 * 9 * 3 * 3),
        (nn.Conv2d(4, 8, 3, groups=4), 8 * 1 * 9 * 6 * 6),  # each sees one channel of four
        (nn.ConvTranspose2d(4, 6, 2, stride=2), 4 * 6 * 4 * 8 * 8),  # of each input pixel
    ],
)
def test_a_convolution(layer: nn.Module, products: int) -> None:
    """Every product of the forward pass has one in each gradient, grouped or not."""
    images = torch.rand(2, 4, 8, 8, requires_grad=True)
    found = count_operations(lambda: layer(images).sum().backward(), layer)
    once = 2 * 2 * products
    assert found == Operations(once, once, once)


def test_weights_computed_from_weights_are_weights() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(5, 5))
    images = torch.rand(4, 5, requires_grad=True)
    found = count_operations(lambda: layer(images).sum().backward(), layer)
    assert found == Operations(*[2 * 4 * 5 * 5] * 3)


@pytest.mark.parametrize("backend", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION])
def test_attention_has_gradients_to_its_inputs_alone(backend: SDPBackend) -> None:
    """Two products of 9 x 9 tokens of 8 numbers; the fused one makes the first once more."""
    inputs = torch.rand(2, 3, 9, 8, requires_grad=True)
    model = nn.Identity()
    with sdpa_kernel(backend):
        found = count_operations(
            lambda: F.scaled_dot_product_attention(inputs, inputs, inputs).sum().backward(), model
        )
    product = 2 * (2 * 3) * 9 * 9 * 8
    again = 1 if backend is SDPBackend.FLASH_ATTENTION else 0
    assert found == Operations(2 * product, (4 + again) * product, 0)


def test_a_gradient_s_gradient_goes_through_the_layers_and_to_the_weights() -> None:
    """y = W x: the penalty on dy/dx costs a product each for gradient, its gradients, and W's."""
    layer = nn.Linear(5, 7, bias=False)
    images = torch.rand(4, 5, requires_grad=True)

    def penalty() -> None:
        value = layer(images).square().sum()
        (gradient,) = torch.autograd.grad(value, images, create_graph=True)
        gradient.square().sum().backward()

    once = 2 * 4 * 5 * 7
    # Forward; to x, and of that gradient back through W and x; to W from both graphs.
    assert count_operations(penalty, layer) == Operations(once, 3 * once, 2 * once)


def test_autocast_changes_no_count() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    images = torch.rand(4, 3, 8, 8)
    scaat = build_objective("scaat", 4, {"steps": 2, "search_interval": 1})
    with torch.autocast("cpu", torch.bfloat16):
        reduced = step(scaat, model, images)
    assert reduced == step(scaat, model, images)


def test_frozen_weights_have_no_gradient() -> None:
    model = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 2))
    model[0].requires_grad_(False)
    found = step(Standard(), model, torch.rand(5, 6))
    assert (found.input_gradient, found.weight_gradient) == (0, 2 * 5 * 7 * 2)


def test_without_a_model_the_total_is_the_same() -> None:
    model = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 2))
    images = torch.rand(5, 6)
    with FlopCounter() as counter:
        model(images).sum().backward()
    assert counter.total == count_operations(lambda: model(images).sum().backward(), model).total


def test_nothing_is_counted_outside() -> None:
    layer = nn.Linear(2, 3)
    with FlopCounter(layer) as counter:
        layer(torch.rand(1, 2))
    layer(torch.rand(1, 2))
    assert counter.total == 2 * 2 * 3


VALUES = {"k": 3, "n": 2}


def documented() -> list[Any]:
    """Return method, settings and expected passes of each row of the page's table."""
    cases = []
    for line in PAGE.read_text().splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        method = re.fullmatch(r"`([\w-]+)`", row[0])
        if method and len(row) == 7:
            code = re.search(r"`(.*?)`", row[1])
            pairs = [part.split("=") for part in code[1].split(",")] if code else []
            options = {name: literal(value) for name, value in pairs}
            label = f"{method[1]}:{code[1]}" if code else method[1]
            cases.append(pytest.param(method[1], options, row[2:6], id=label))
    return cases


def literal(text: str) -> Any:
    """Return a setting's value: that of k or n, a number, or a name."""
    if text in VALUES:
        return VALUES[text]
    return float(text) if "." in text else int(text) if text.isdecimal() else text


def value(expression: str) -> int:
    """Return the value of ``6 + 2k + n``."""
    total = 0
    for term in expression.split(" + "):
        factor, letter = re.fullmatch(r"(\d*)([kn]?)", term).groups()  # type: ignore[union-attr]
        total += int(factor or 1) * VALUES.get(letter, 1)
    return total


@pytest.mark.parametrize(("method", "options", "passes"), documented())
def test_the_documented_passes_are_those_of_a_step(
    method: str, options: dict[str, Any], passes: list[str]
) -> None:
    if method == "scaat":
        options = {"search_interval": 1, **options}
    torch.manual_seed(0)
    middle = (nn.Conv2d(16, 16, 3, padding=1, bias=False) for _ in range(12))
    # The first layer's input gradient is only wanted sometimes; a deep middle drowns it.
    model = nn.Sequential(nn.Conv2d(3, 16, 1), *middle, nn.Flatten(), nn.Linear(1024, 3))
    images = torch.rand(4, 3, 8, 8)
    unit = count_operations(lambda: model(images), model).forward
    found = step(build_objective(method, 4, options), model, images) / unit
    expected = [value(text) for text in passes]
    kinds = [found.forward, found.input_gradient, found.weight_gradient, found.total]
    assert kinds == pytest.approx(expected, abs=0.01)


def test_every_method_is_documented() -> None:
    assert {case.values[0] for case in documented()} == set(objectives)
