from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from scaat.cost import Cost, Variant, measure_costs
from scaat.errors import InputError


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
    )


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4) % 2


def quick(model: nn.Module, batch: tuple[Tensor, Tensor], *variants: Variant) -> tuple[Cost, ...]:
    return measure_costs(model, variants, *batch, rounds=2, turn_seconds=0.0)


def test_several_settings_of_a_method_beside_standard(batch: tuple[Tensor, Tensor]) -> None:
    few, many = (
        Variant(f"scaat, {k}", "scaat", {"steps": k, "weight": 5.0, "search_interval": 1})
        for k in (1, 4)
    )
    costs = quick(network(), batch, few, many)
    assert [cost.variant.label for cost in costs] == ["standard", "scaat, 1", "scaat, 4"]
    standard = costs[0]
    assert (standard.pass_ratio, standard.memory_ratio, standard.excess) == (1, 1, 0)
    assert (standard.time_ratio.low, standard.time_ratio.high) == (1, 1)
    # On paper: a convolution of 6 x 6 positions and a linear layer.
    first, head = 36 * 4 * 27, 144 * 2
    assert standard.passes.input_gradient == pytest.approx(head / (first + head))
    assert [cost.passes.forward for cost in costs] == [1, 3, 6]
    assert [cost.passes.weight_gradient for cost in costs] == [1, 2, 2]
    for cost in costs:
        assert cost.pass_ratio == pytest.approx(cost.passes.total / standard.passes.total)
        assert cost.memory_ratio == cost.peak_bytes / standard.peak_bytes
        assert cost.images_per_second == pytest.approx(4 / cost.seconds.median)
        assert cost.excess == pytest.approx(cost.time_ratio.median / cost.pass_ratio - 1)
        assert 0 < cost.seconds.low <= cost.seconds.median <= cost.seconds.high


def test_where_steps_differ_a_cycle_is_measured(batch: tuple[Tensor, Tensor]) -> None:
    # Every third step is SCAAT's.
    whole = Variant("whole", "scaat", {"steps": 1, "weight": 5.0, "search_interval": 1})
    third = Variant("third", "scaat", {"steps": 1, "weight": 5.0, "search_interval": 3})
    standard, each, found = quick(network(), batch, whole, third)
    expected = (2 * standard.passes.total + each.passes.total) / 3
    assert found.passes.total == pytest.approx(expected)
    assert found.passes.forward == pytest.approx((1 + 1 + 3) / 3)
    assert found.peak_bytes > standard.peak_bytes  # that of its costliest step


def test_a_standard_variant_of_one_s_own_is_the_base(batch: tuple[Tensor, Tensor]) -> None:
    smooth = Variant("smooth", "standard", {"label_smoothing": 0.1})
    costs = quick(network(), batch, Variant("scaat", "scaat", {"steps": 1}), smooth)
    assert [cost.variant.label for cost in costs] == ["scaat", "smooth"]
    assert costs[1].pass_ratio == 1


def test_model_and_generator_are_left_alone(batch: tuple[Tensor, Tensor]) -> None:
    model = network().eval()
    before = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    quick(model, batch, Variant("scaat", "scaat", {"steps": 1}))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model.training
    assert all(weight.grad is None for weight in model.parameters())


def test_the_timed_steps_are_compiled(batch: tuple[Tensor, Tensor]) -> None:
    seen: list[str] = []

    class Spy(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append("traced" if torch.compiler.is_compiling() else "run")
            return images

    model = nn.Sequential(Spy(), network())

    def measure(backend: str | None) -> Cost:
        (found,) = measure_costs(
            model, [], *batch, rounds=2, turn_seconds=0.0, compile_backend=backend
        )
        return found

    plain = measure(None)
    assert set(seen) == {"run"}
    seen.clear()
    torch.compiler.reset()
    compiled = measure("aot_eager")
    assert compiled.passes == plain.passes
    assert compiled.peak_bytes == plain.peak_bytes
    assert 2 <= seen.count("run") <= 5  # counted and measured, then never again as written


def test_reduced_precision_is_that_of_the_whole_step(batch: tuple[Tensor, Tensor]) -> None:
    seen: list[torch.dtype] = []
    model = network()
    head = model.get_submodule("4")
    head.register_forward_hook(lambda _module, _inputs, out: seen.append(out.dtype))
    measure_costs(model, [], *batch, rounds=1, turn_seconds=0.0, autocast=torch.bfloat16)
    assert set(seen) == {torch.bfloat16}


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ([Variant("x", "scat")], r"unknown method 'scat'"),
        ([Variant("x", "scaat", {"stesp": 1})], r"no option 'stesp'"),
        ([Variant("x", "scaat"), Variant("x", "trades")], "two variants are called 'x'"),
    ],
)
def test_bad_variants_are_refused(
    variants: list[Variant], message: str, batch: tuple[Tensor, Tensor]
) -> None:
    with pytest.raises(InputError, match=message):
        quick(network(), batch, *variants)


def test_bad_rounds_and_models_are_refused(batch: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(InputError, match="rounds is 0"):
        measure_costs(network(), [], *batch, rounds=0)

    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))

        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :2] * self.scale

    with pytest.raises(InputError, match="no convolution, matrix product or attention"):
        quick(Scale(), batch)
