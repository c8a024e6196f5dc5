"""What holds for every registered saliency method."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scaat.attribution import Attribution, attributions
from scaat.errors import InputError

MODEL_FREE = ("oracle", "random")  # bounds, which look at no model
COMPETING = "class-competition"  # takes three classes or more


def complete(attribute: Attribution) -> Attribution:
    """Give every call masks, and numbers from ``first`` on, as an evaluation does."""

    def maps(model: nn.Module, images: Tensor, targets: Tensor, first: int = 0) -> Tensor:
        masks = images.sum(1) > 1.2 if images.dim() == 4 else None
        image_ids = torch.arange(len(images)) + first
        return attribute(model, images, targets, masks=masks, image_ids=image_ids)

    return maps  # type: ignore[return-value]


@pytest.fixture(params=list(attributions))
def attribute(request: pytest.FixtureRequest) -> Attribution:
    return complete(attributions[request.param])


@pytest.fixture(params=[name for name in attributions if name not in MODEL_FREE])
def explaining(request: pytest.FixtureRequest) -> Attribution:
    return complete(attributions[request.param])


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.ReLU(inplace=True),  # as the first layer it would overwrite the images
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 4),
    )


def batch(n: int = 5) -> tuple[Tensor, Tensor]:
    images = torch.rand(n, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    return images, torch.arange(n) % 4


def test_maps_are_finite_non_negative_and_detached(attribute: Attribution) -> None:
    maps = attribute(net(), *batch())
    assert maps.shape == (5, 9, 7)
    assert maps.dtype == torch.float32
    assert maps.isfinite().all()
    assert (maps >= 0).all()
    assert maps.amax((1, 2)).min() > 0
    assert not maps.requires_grad


def test_calling_again_gives_the_same_whatever_the_random_state(attribute: Attribution) -> None:
    model = net()
    first = attribute(model, *batch())
    torch.rand(17)
    state = torch.get_rng_state()
    assert torch.equal(attribute(model, *batch()), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_map_depends_on_its_own_image_alone(attribute: Attribution) -> None:
    model, (images, targets) = net(), batch()
    whole = attribute(model, images, targets)
    single = torch.cat(
        [attribute(model, images[i : i + 1], targets[i : i + 1], first=i) for i in range(5)]
    )
    torch.testing.assert_close(whole, single, rtol=1e-5, atol=1e-7)


def test_targets_choose_the_class(explaining: Attribution) -> None:
    model, (images, targets) = net(), batch()
    other = explaining(model, images, (targets + 1) % 4)
    assert (other - explaining(model, images, targets)).abs().amax((1, 2)).min() > 1e-6


def test_leaves_no_trace(attribute: Attribution) -> None:
    model, (images, targets) = net(), batch()
    model.train()
    model[2].eval()  # a frozen layer stays frozen
    model[1].bias.requires_grad_(False)
    model[1].weight.grad = torch.ones_like(model[1].weight)
    modes = [m.training for m in model.modules()]
    flags = [p.requires_grad for p in model.parameters()]
    state = {k: v.clone() for k, v in model.state_dict().items()}
    images_before = images.clone()

    attribute(model, images, targets)

    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(images, images_before)
    assert not images.requires_grad
    assert torch.equal(model[1].weight.grad, torch.ones_like(model[1].weight))
    assert all(p.grad is None for p in model.parameters() if p is not model[1].weight)
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())


def test_the_mode_comes_back_after_an_error(explaining: Attribution) -> None:
    model = net().train()
    with pytest.raises(RuntimeError):
        explaining(model, torch.rand(2, 1, 9, 7), torch.tensor([0, 1]))  # 1 channel, not 3
    assert all(m.training for m in model.modules())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_where_the_caller_takes_no_gradients(attribute: Attribution, mode: type) -> None:
    model = net()
    expected = attribute(model, *batch())
    with mode():
        images, targets = batch()
        found = attribute(model, images, targets)
    torch.testing.assert_close(found.clone(), expected)


def test_autocast_of_the_caller_does_not_round_the_maps(attribute: Attribution) -> None:
    model = net()
    expected = attribute(model, *batch())
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(attribute(model, *batch()), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("images", "targets"),
    [
        (torch.full((2, 3, 9, 7), 1.5), torch.tensor([0, 1])),
        (torch.full((2, 3, 9, 7), float("nan")), torch.tensor([0, 1])),
        (torch.zeros(3, 9, 7), torch.tensor([0, 1, 2])),
        (torch.zeros(2, 3, 9, 7), torch.tensor([0])),
        (torch.zeros(2, 3, 9, 7), torch.tensor([0.0, 1.0])),
    ],
)
def test_refuses(attribute: Attribution, images: Tensor, targets: Tensor) -> None:
    with pytest.raises(InputError, match=r"images|targets"):
        attribute(net(), images, targets)


@pytest.mark.parametrize("name", [n for n in attributions if n not in (*MODEL_FREE, COMPETING)])
def test_one_logit_is_explained_as_a_softmax_of_two(name: str) -> None:
    """The head (-z/2, z/2) has the same probabilities; both classes have a map."""
    explaining = complete(attributions[name])
    one, two = net(), net()
    head, both = nn.Linear(32, 1), nn.Linear(32, 2)
    with torch.no_grad():
        both.weight.copy_(torch.cat([-head.weight, head.weight]) / 2)
        both.bias.copy_(torch.cat([-head.bias, head.bias]) / 2)
    one[-1], two[-1] = head, both
    images, targets = batch()[0], torch.arange(5) % 2
    maps = explaining(one, images, targets)
    torch.testing.assert_close(maps, explaining(two, images, targets), atol=1e-6, rtol=1e-4)
    assert (maps.flatten(1).amax(1) > 0).any()
    with pytest.raises(InputError, match="target 2 is out of range, the model has 2 classes"):
        explaining(one, images, targets + 1)
