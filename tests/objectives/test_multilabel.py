"""Several labels a sample: against one logit, and against closed forms of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import expit
from tests.objectives.test_one_logit import Head, batch, run
from torch import Tensor, nn

from scaat import SCAAT, Standard
from scaat.errors import InputError
from scaat.functional.divergence import jeffreys_divergence, mean_over_labels
from scaat.functional.saliency import class_scores
from scaat.objectives import build_objective, objectives

LABELS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-0.1, 0.2, -3.0], [4.0, 1.0, 0.1]])


def net() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 3))


@pytest.mark.parametrize("name", sorted(objectives))
def test_one_label_is_one_logit(name: str) -> None:
    """In loss, terms, weights' gradients and proportions."""
    labels = batch()[1]
    single = run(Head(), name, labels.float().unsqueeze(1))
    torch.testing.assert_close(single, run(Head(), name, labels), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(objectives))
def test_equal_labels_count_as_one(name: str) -> None:
    """Means over labels: three copies of a label give the loss of one."""

    class Copies(Head):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images).expand(-1, 3)

    labels = batch()[1].float().unsqueeze(1)
    single, copies = run(Head(), name, labels), run(Copies(), name, labels.expand(-1, 3))
    torch.testing.assert_close(single, copies, atol=1e-6, rtol=1e-5)


def test_divergence_and_scores_are_the_closed_forms() -> None:
    other = LOGITS.flip(0)
    p, q = (np.stack([expit(-z), expit(z)]) for z in (LOGITS.numpy(), other.numpy()))
    bits = (stats.entropy(p, q, base=2) + stats.entropy(q, p, base=2)) / 2
    found = mean_over_labels(jeffreys_divergence)(LOGITS, other)
    np.testing.assert_allclose(found, bits.mean(1), rtol=1e-5)
    logit = class_scores(LOGITS, LABELS)
    np.testing.assert_allclose(logit, [(2 + 1 + 0.5) / 2, (0.1 - 0.2 + 3) / 2, 5.1 / 2], rtol=1e-6)
    probability = np.where(LABELS == 1, p[1], p[0]).prod(1)
    np.testing.assert_allclose(class_scores(LOGITS, LABELS, "probability"), probability, rtol=1e-5)


def test_all_labels_must_be_right() -> None:
    objective = Standard()
    assert objective.correct(LOGITS, LABELS).tolist() == [True, False, True]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_is_binary_cross_entropy(smoothing: float) -> None:
    images, _, index = batch(3)
    output = Standard(label_smoothing=smoothing)(net(), images, LABELS, index)
    p = expit(output.logits.detach().numpy())
    target = LABELS.numpy() * (1 - smoothing) + smoothing / 2
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    assert output.loss.item() == pytest.approx(expected, rel=1e-5)


def test_scaat_moves_the_proportions_by_all_labels() -> None:
    images, _, index = batch(3)
    model = net()
    wanted = (model(images) > 0).float()
    wanted[1, 2] = 1 - wanted[1, 2]
    objective = build_objective(
        "scaat", 3, {"weight": 1.0, "epsilon": 0.0, "initial_proportion": 0.4}
    )
    assert isinstance(objective, SCAAT)
    output = objective(model, images, wanted, index)
    torch.testing.assert_close(objective.proportion, torch.tensor([0.41, 0.39, 0.41]))
    assert output.terms["adversarial_accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:, :2], r"shape \(3, 2\), expected that of the logits \(3, 3\)"),
        (LABELS * 2, "hold other values, expected 0 or 1 each"),
        (LABELS * torch.nan, "hold other values, expected 0 or 1 each"),
        (LABELS[:2], r"labels has shape \(2, 3\), expected \(3,\)"),
        (LABELS.long(), r"labels has shape \(3, 3\), expected \(3,\)"),
    ],
)
def test_other_labels_are_refused_in_one_sentence(labels: Tensor, message: str) -> None:
    images, _, index = batch(3)
    with pytest.raises(InputError, match=message):
        Standard()(net(), images, labels, index)
