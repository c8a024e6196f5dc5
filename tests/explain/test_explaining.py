"""Maps and predictions of any module."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nets
from scaat.attribution import attributions
from scaat.errors import InputError
from scaat.explain import classify, explain

IMAGES = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Linear(nn.Module):
    """Logits are weighted sums of the pixels: the gradient is the weights."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weights.flatten(1).T


def linear() -> Linear:
    return Linear(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)))


def test_a_linear_model_in_closed_form() -> None:
    model = linear()
    actual = explain(model, IMAGES)
    logits = model(IMAGES).detach()
    assert torch.equal(actual.predicted, logits.argmax(1))
    assert torch.equal(actual.targets, actual.predicted)
    torch.testing.assert_close(actual.probabilities, logits.softmax(1))
    torch.testing.assert_close(actual.probability, logits.softmax(1).amax(1))
    weights = model.weights.detach()[actual.predicted].abs().sum(1)
    torch.testing.assert_close(actual.maps["gradient"], weights)


def test_a_class_for_all_or_one_for_each() -> None:
    model = linear()
    expected = model.weights.detach().abs().sum(1)
    one = explain(model, IMAGES, targets=2)
    assert one.targets.tolist() == [2] * 5
    torch.testing.assert_close(one.maps["gradient"], expected[[2] * 5])
    each = torch.tensor([0, 1, 2, 3, 0])
    torch.testing.assert_close(
        explain(model, IMAGES, targets=each).maps["gradient"], expected[each]
    )


def test_a_vision_transformer_and_several_methods() -> None:
    torch.manual_seed(0)
    model = nets.vit(3, (8, 8))
    methods = ("gradient", "integrated-gradients", "random")
    actual = explain(model, IMAGES, methods, image_ids=torch.arange(5) + 7)
    assert tuple(actual.maps) == methods
    assert model.training  # as it was given
    model.eval()
    for name in methods:
        expected = attributions[name](
            model, IMAGES, actual.predicted, image_ids=torch.arange(5) + 7
        )
        torch.testing.assert_close(actual.maps[name], expected)
        assert actual.maps[name].amax(dim=(1, 2)).min() > 0


def test_the_layer_reaches_grad_cam() -> None:
    torch.manual_seed(0)
    model = nets.tiny(3).eval()
    early = explain(model, IMAGES, ("grad-cam",), layer="0").maps["grad-cam"]
    late = explain(model, IMAGES, ("grad-cam",), layer="2").maps["grad-cam"]
    assert not torch.allclose(early, late)


class Answers(nn.Module):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: Tensor) -> Any:
        return self.answer


def logits_with(value: float) -> Tensor:
    logits = torch.zeros(5, 3)
    logits[3, 1] = value
    return logits


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (linear(), {"attributions": ["gradiant"]}, "did you mean 'gradient'"),
        (linear(), {"targets": 4}, "label 4 is out of range"),
        (linear(), {"attributions": ["oracle"]}, "'oracle' needs the masks"),
        (linear(), {"images": IMAGES * 255}, "normalisation belongs in the model"),
        (linear(), {"images": IMAGES[0]}, r"shape \(N, C, H, W\), found \(3, 8, 8\)"),
        (linear(), {"images": IMAGES[:, :, :4]}, "cannot run on images of 3x4x8"),
        (Answers(logits_with(float("nan"))), {}, "logits for image 3 are not finite"),
        (Answers(logits_with(float("-inf"))), {}, "logits for image 3 are not finite"),
        (Answers((torch.zeros(5, 3),)), {}, "returned a tuple for 5 images"),
        (Answers(torch.zeros(5, 3, 2)), {}, r"returned a tensor of shape \(5, 3, 2\)"),
        (Answers(torch.zeros(4, 3)), {}, r"expected logits \(5, classes\)"),
    ],
)
def test_bad_input_is_one_sentence(model: nn.Module, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        explain(model, **{"images": IMAGES} | options)


def test_given_names_stand_in_messages() -> None:
    with pytest.raises(InputError, match=r"logits for d\.png are not finite"):
        classify(Answers(logits_with(float("inf"))), IMAGES, names=[f"{c}.png" for c in "abcde"])
