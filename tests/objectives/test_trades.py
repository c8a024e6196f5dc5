from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.functional import kl_divergence
from scaat.objectives import TRADES

Batch = tuple[Tensor, Tensor, Tensor]


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Tanh(), nn.Flatten(), nn.Linear(720, 4)
    )


def kl(clean: Tensor, adversarial: Tensor) -> Tensor:
    """KL(clean || adversarial) as the paper writes it: probabilities, nats, mean over images."""
    p, q = clean.softmax(1), adversarial.softmax(1)
    return (p * (p / q).log()).sum(1).mean()


def test_loss_is_that_of_algorithm_1(batch: Batch) -> None:
    """The paper's algorithm 1, image by image, on a copy of the model in evaluation mode."""
    images, labels, _ = batch
    model = net()
    attacked, trained = copy.deepcopy(model), copy.deepcopy(model)
    attacked(images)  # the clean pass comes first and moves the running statistics
    attacked.eval()
    torch.manual_seed(7)
    output = TRADES(epsilon=0.1, steps=3, step_size=0.04, weight=2.5, start_noise=0.01)(
        model, *batch
    )
    torch.manual_seed(7)
    noise = torch.randn_like(images)
    adversarial = []
    for image, z in zip(images, noise, strict=True):
        clean = attacked(image[None]).detach()
        x = (image + 0.01 * z).clamp(0, 1)
        for _ in range(3):
            leaf = x.clone().requires_grad_()
            kl(clean, attacked(leaf[None])).backward()
            assert leaf.grad is not None
            moved = x + 0.04 * leaf.grad.sign()
            x = torch.max(torch.min(moved, image + 0.1), image - 0.1).clamp(0, 1)
        adversarial.append(x)
    clean = trained(images)
    divergence = kl(clean, trained(torch.stack(adversarial)))
    assert divergence > 0.01
    torch.testing.assert_close(output.loss, F.cross_entropy(clean, labels) + 2.5 * divergence)
    torch.testing.assert_close(output.terms["divergence"], divergence)
    output.loss.backward()
    (F.cross_entropy(clean, labels) + 2.5 * divergence).backward()
    for one, two in zip(model.parameters(), trained.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_reference_is_of_the_same_mode_as_the_search(mode: str, batch: Batch) -> None:
    """From the image itself the divergence to the right reference, which is 0, has no gradient."""
    images = batch[0]
    model = net()
    objective = TRADES(epsilon=0.1, steps=1, start_noise=1e-30, search_mode=mode)
    logits = model(images)
    with torch.no_grad():
        model[1].running_mean += 1.0
    moved = objective._search(model, images, logits.detach(), kl_divergence) - images
    # What rounding leaves of the gradient has signs, but a wrong reference pulls all one way.
    wrong = TRADES(epsilon=0.1, steps=1, start_noise=1e-30, search_mode=mode)
    wrong_moved = wrong._search(model, images, logits.detach().roll(1, 0), kl_divergence) - images
    assert torch.equal(moved, wrong_moved) == (mode == "eval")


def test_weight_zero_is_standard_training(batch: Batch) -> None:
    images, labels, _ = batch
    model = net()
    expected = F.cross_entropy(copy.deepcopy(model)(images), labels)
    torch.testing.assert_close(TRADES(weight=0.0, steps=1)(model, *batch).loss, expected)
