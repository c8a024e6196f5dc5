from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import scaat.objectives.saliency_guided_adversarial as module
from scaat.objectives import SaliencyGuidedAdversarial

Batch = tuple[Tensor, Tensor, Tensor]


@pytest.mark.parametrize("signed", [False, True])
def test_loss_is_that_of_the_authors_code(
    signed: bool, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recomputed from the images that its passes saw, by torch's own KL in nats."""
    images, labels, _ = batch
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(448, 4))
    inputs: list[Tensor] = []
    view = module.loss_view

    def spy(of: nn.Module) -> object:
        predict = view(of)
        return lambda x: inputs.append(x) or predict(x)

    monkeypatch.setattr(module, "loss_view", spy)
    objective = SaliencyGuidedAdversarial(
        epsilon=0.1, steps=3, proportion=0.4, weight=3.0, signed=signed
    )
    output = objective(model, *batch)
    adversarial, masked = inputs
    clean, attacked, hidden = (model(x) for x in (images, adversarial, masked))
    kl = F.kl_div(F.log_softmax(hidden, 1), F.softmax(attacked, 1), reduction="batchmean")
    losses = [F.cross_entropy(x, labels) for x in (clean, attacked)]
    torch.testing.assert_close(output.loss, sum(losses) + 3 * kl)
    assert losses[1] > losses[0] + 0.1
    assert (adversarial - images).abs().max() <= 0.1 + 1e-6

    # The lowest 40 % of the perturbed image's own map, of the class predicted for it.
    leaf = adversarial.clone().requires_grad_()
    model(leaf).gather(1, attacked.argmax(1, keepdim=True)).sum().backward()
    assert leaf.grad is not None
    maps = leaf.grad.sum(1) if signed else leaf.grad.abs().sum(1)
    changed = (masked != adversarial).any(1)
    assert changed.flatten(1).sum(1).tolist() == [36] * 12  # of 90 pixels
    for m, c in zip(maps, changed, strict=True):
        assert m[c].max() <= m[~c].min()
    assert (attacked.argmax(1) != labels).any()  # so the predicted class is not the true one
