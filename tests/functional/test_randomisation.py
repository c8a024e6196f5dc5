from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import weight_norm as hooked_weight_norm
from torch.nn.utils.parametrizations import weight_norm
from torchvision.models import VisionTransformer

from scaat.errors import InputError
from scaat.functional.randomisation import randomised_models


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, affine=False), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(16, 2),
    )


def transformer() -> nn.Module:
    return VisionTransformer(
        image_size=6, patch_size=3, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=8
    )


def trained(model: nn.Module) -> nn.Module:
    """Move every tensor away from where a constructor puts it."""
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.rand(tensor.shape, generator=generator) + 0.5)
        else:
            tensor.add_(7)
    return model.eval()


def changed(model: nn.Module, copy: nn.Module) -> set[str]:
    """The names of the tensors that differ."""
    other = copy.state_dict()
    return {name for name, t in model.state_dict().items() if not torch.equal(t, other[name])}


def test_layers_go_one_after_the_other_from_the_output_on() -> None:
    model = trained(convolutional())
    last = {"5.weight", "5.bias"}
    inner = {f"3.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    outer = {"1.weight", "1.bias", *(name.replace("3.1", "1") for name in inner)}
    stages = [last, inner, {"3.0.weight", "3.0.bias"}, outer, {"0.weight", "0.bias"}]
    expected: set[str] = set()
    found = list(randomised_models(model))
    assert [name for name, _ in found] == ["5", "3.1", "3.0", "1", "0"]
    for (_, copy), stage in zip(found, stages, strict=True):
        expected |= stage
        assert changed(model, copy) == expected
        assert not copy.training
    whole = found[-1][1]
    assert whole[1].running_mean.tolist() == [0] * 4
    assert whole[1].running_var.tolist() == [1] * 4
    # A layer that was randomised once stays as it is in the stages that follow.
    assert torch.equal(found[0][1][5].weight, whole[5].weight)


def test_new_weights_are_those_of_the_modules_own_initialisation() -> None:
    model = trained(nn.Sequential(nn.Linear(400, 100), nn.LayerNorm(100)))
    *_, (_, copy) = randomised_models(model)
    bound = 400**-0.5  # nn.Linear's uniform range
    assert copy[0].weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert copy[0].weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert copy[1].weight.tolist() == [1] * 100


@pytest.mark.parametrize("make", [convolutional, transformer])
def test_the_model_and_the_global_random_numbers_stay_as_they_were(make) -> None:
    model = trained(make()).train()
    before, state = deepcopy(model), torch.get_rng_state()
    for _, copy in randomised_models(model):
        for tensor in copy.state_dict().values():
            tensor.zero_()  # the copy is the caller's own
        assert copy.training
        assert torch.equal(torch.get_rng_state(), state)
    assert changed(before, model) == set()
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


@pytest.mark.parametrize("make", [convolutional, transformer])
def test_seed_alone_decides(make) -> None:
    model = trained(make())
    torch.manual_seed(0)
    first = list(randomised_models(model, seed=3))
    torch.manual_seed(1)
    again = list(randomised_models(model, seed=3))
    for (name, copy), (same, other) in zip(first, again, strict=True):
        assert name == same
        assert changed(copy, other) == set()
    (_, last), (_, other) = first[-1], list(randomised_models(model, seed=4))[-1]
    assert {name for name in changed(last, other) if name.endswith("weight")}


@pytest.mark.parametrize(
    ("stages", "layers"),
    [(1, [4]), (2, [1, 4]), (3, [0, 2, 4]), (5, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4])],
)
def test_stages_are_a_choice_of_the_layers(stages: int, layers: list[int]) -> None:
    model = trained(convolutional())
    every, some = list(randomised_models(model)), list(randomised_models(model, stages=stages))
    assert [name for name, _ in some] == [every[layer][0] for layer in layers]
    for (_, copy), layer in zip(some, layers, strict=True):
        assert changed(copy, every[layer][1]) == set()


def test_equal_layers_get_different_weights() -> None:
    *_, (_, copy) = randomised_models(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)))
    assert not torch.equal(copy[0].weight, copy[1].weight)


def test_a_transformer_loses_attention_class_token_and_positions() -> None:
    model = trained(transformer())
    found = list(randomised_models(model))
    names = [name for name, _ in found]
    assert names[0] == "heads.head"
    assert names[-3:] == ["encoder", "conv_proj", "model"]
    last = found[-1][1]
    assert changed(model, last) == set(model.state_dict())
    for name in ("class_token", "encoder.pos_embedding"):  # shuffled
        old, new = model.get_parameter(name), last.get_parameter(name)
        assert torch.equal(old.flatten().sort().values, new.flatten().sort().values)
    attention = last.encoder.layers[0].self_attention
    bound = (6 / (8 + 24)) ** 0.5  # Xavier's uniform range, as nn.MultiheadAttention has it
    assert 0.8 * bound < attention.in_proj_weight.abs().max() <= bound
    assert attention.out_proj.bias.abs().max() == 0
    assert last(torch.rand(2, 3, 6, 6)).isfinite().all()


@pytest.mark.parametrize("wrap", [weight_norm, hooked_weight_norm])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_behind_a_parametrisation_change_too(wrap) -> None:
    model = nn.Sequential(wrap(nn.Linear(6, 5)), nn.Linear(5, 2))
    x = torch.rand(4, 6)
    with torch.no_grad():
        model(x)  # a weight that the old hook computed with its graph could not be copied
    first, *_, (_, last) = randomised_models(model)
    assert changed(model, last) == set(model.state_dict())
    assert not torch.equal(last[0](x), first[1][0](x))


def test_tied_weights_stay_tied() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    for _, copy in randomised_models(trained(model)):
        assert copy[0].weight is copy[2].weight


def test_half_precision() -> None:
    for _, copy in randomised_models(convolutional().to(torch.bfloat16)):
        assert copy[0].weight.dtype == torch.bfloat16


class Uncopiable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.cached: Tensor = self.weight * 2  # not a leaf: PyTorch refuses to copy it


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (nn.ReLU(), {}, r"the model \(ReLU\) has no parameters"),
        (nn.Linear(2, 2), {"seed": -1}, "seed is -1, expected 0 or more"),
        (nn.Linear(2, 2), {"stages": 0}, "stages is 0, expected 1 or more"),
        (Uncopiable(), {}, r"the model \(Uncopiable\) cannot be copied"),
    ],
)
def test_wrong_input_is_named_at_the_call(model, options, message: str) -> None:
    with pytest.raises(InputError, match=message):
        randomised_models(model, **options)
