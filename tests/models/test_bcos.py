"""B-cos layers: their formula, the linear map that explains them, and what they leave as it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError, gradcheck
from torch.nn import functional as F

from scaat.errors import InputError
from scaat.models import build_model
from scaat.models.bcos import BcosConv2d, BcosLinear, put_bcos

NONE = {"mean": None, "std": None}


def by_hand(weight: Tensor, inputs: Tensor) -> Tensor:
    """Return w.x |w.x| / |x| for rows of weights and one vector."""
    products = weight @ inputs
    return products * products.abs() / (inputs.square().sum() + 1e-6).sqrt()


def test_vectors_have_the_formulas_value() -> None:
    layer = BcosLinear(5, 3, bias=False)
    vectors = torch.randn(4, 5)
    expected = torch.stack([by_hand(layer.weight, vector) for vector in vectors])
    torch.testing.assert_close(layer(vectors), expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_every_patch_has_the_formulas_value(groups: int) -> None:
    layer = BcosConv2d(4, 6, 3, stride=2, padding=1, groups=groups, bias=False)
    images = torch.randn(2, 4, 7, 9)
    padded, rows = F.pad(images, (1, 1, 1, 1)), layer.weight.flatten(1)
    actual = layer(images)
    assert actual.shape == (2, 6, 4, 5)
    for n, y, x in ((0, 0, 0), (1, 3, 4), (0, 2, 1)):
        patch = padded[n, :, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3].reshape(groups, -1)
        parts = [by_hand(w, p) for w, p in zip(rows.chunk(groups), patch, strict=True)]
        torch.testing.assert_close(actual[n, :, y, x], torch.cat(parts))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(72, 4)
    ).double()
    put_bcos(made, torch.empty(0))
    assert [type(made[0]), type(made[4])] == [BcosConv2d, BcosLinear]
    return made


def test_evaluation_explains_a_logit_by_a_linear_map_of_the_image() -> None:
    model = network().eval()
    images = torch.rand(5, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    logits = model(images)
    (row,) = torch.autograd.grad(logits[:, 1].sum(), images)
    torch.testing.assert_close((row * images).flatten(1).sum(1), logits[:, 1])


def test_training_differentiates_the_function_itself() -> None:
    model = network().train()
    images = torch.rand(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    assert gradcheck(model, images)
    torch.testing.assert_close(model(images), model.eval()(images))
    with pytest.raises(GradcheckError):
        gradcheck(model.eval(), images)


def test_weights_keep_their_names_and_biases_go() -> None:
    plain = build_model("small-resnet", num_classes=3, image_size=(32, 32), **NONE)
    model = build_model("bcos:small-resnet", num_classes=3, image_size=(32, 32), **NONE)
    gone = set(plain.state_dict()) - set(model.state_dict())
    layers = {n for n, m in plain.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    assert gone == {f"{n}.bias" for n in layers} & set(plain.state_dict()) != set()
    assert not set(model.state_dict()) - set(plain.state_dict())


def test_a_network_without_linear_layers_is_refused() -> None:
    with pytest.raises(InputError) as error:
        build_model("bcos:nets:poolings", num_classes=3, image_size=(32, 32), **NONE)
    assert "model 'bcos:nets:poolings': the network has no torch.nn.Conv2d" in str(error.value)
