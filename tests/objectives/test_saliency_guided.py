from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import scaat.objectives.saliency_guided as module
from scaat import SaliencyGuided
from scaat.functional import saliency_map

Batch = tuple[Tensor, Tensor, Tensor]


@pytest.mark.parametrize("signed", [False, True])
def test_loss_and_masking_are_those_of_the_paper(
    signed: bool, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recomputed with torch's own KL: mean over the batch, in nats, clean against masked."""
    images, labels, _ = batch
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(448, 4))
    inputs: list[Tensor] = []
    view = module.loss_view

    def spy(of: nn.Module) -> object:
        predict = view(of)
        return lambda x: inputs.append(x) or predict(x)

    monkeypatch.setattr(module, "loss_view", spy)
    output = SaliencyGuided(proportion=0.4, weight=3.0, signed=signed)(model, *batch)
    (masked,) = inputs
    clean = model(images)
    kl = F.kl_div(F.log_softmax(model(masked), 1), F.softmax(clean, 1), reduction="batchmean")
    torch.testing.assert_close(output.loss, F.cross_entropy(clean, labels) + 3 * kl)

    changed = (masked != images).any(1)
    assert changed.flatten(1).sum(1).tolist() == [36] * 12  # of 90 pixels
    maps = saliency_map(model, images, labels, signed=signed)
    for m, c, before, after in zip(maps, changed, images, masked, strict=True):
        assert m[c].max() <= m[~c].min()
        assert after.min() >= before.min()
        assert after.max() <= before.max()
    assert masked[:, :, :][changed.unsqueeze(1).expand_as(masked)].unique().numel() > 1000
