"""What holds for every registered objective, in each of its variants."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.errors import InputError
from scaat.objectives import build_objective, objectives

VARIANTS: list[tuple[str, dict[str, object]]] = [
    *((name, {}) for name in objectives),
    ("saliency-guided", {"signed": True}),
    ("scaat", {"weight": 5.0, "search_mode": "eval"}),
    ("scaat", {"adaptive": False, "steps": 1, "score": "probability", "divergence": "kl"}),
    ("scaat", {"weight": 5.0, "region_size": 1, "divergence": "jensen-shannon"}),
    ("scaat", {"weight": 5.0, "search_interval": 2}),
    ("pgd-adversarial", {"random_start": False, "clean_fraction": 0.5, "search_mode": "train"}),
    ("trades", {"steps": 1, "search_mode": "train"}),
    ("norm-regularised", {"penalty": "l1"}),
    ("norm-regularised", {"penalty": "l1", "steps": 2}),
    ("norm-regularised", {"penalty": "elastic-net", "steps": 2}),
    ("norm-regularised", {"penalty": "group", "group_size": 4}),
    ("norm-regularised", {"penalty": "group", "steps": 2}),
    ("saliency-guided-adversarial", {"steps": 1, "signed": True}),
]
# They train on perturbed images in the place of the clean ones, which may have the larger loss.
WITHOUT_CLEAN_LOSS = ("pgd-adversarial", "norm-regularised")
every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS)
Batch = tuple[Tensor, Tensor, Tensor]


@every_variant
def test_loss_trains_and_logits_are_the_clean_ones(
    name: str, options: dict[str, object], trap: nn.Module, batch: Batch
) -> None:
    images, labels, _index = batch
    expected = copy.deepcopy(trap)
    torch.manual_seed(5)
    clean = expected(images)
    torch.manual_seed(5)
    output = build_objective(name, 40, options)(trap, *batch)
    torch.testing.assert_close(output.logits, clean)
    torch.testing.assert_close(output.terms["cross_entropy"], F.cross_entropy(clean, labels))
    if name not in WITHOUT_CLEAN_LOSS:
        assert output.loss >= output.terms["cross_entropy"]
    assert all(not term.requires_grad and term.dim() == 0 for term in output.terms.values())
    output.loss.backward()
    for key, parameter in trap.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@every_variant
def test_validation_without_gradients_has_the_same_loss(
    name: str,
    options: dict[str, object],
    mode: Callable[[], AbstractContextManager[None]],
    trap: nn.Module,
    batch: Batch,
) -> None:
    objective = build_objective(name, 40, options).eval()
    trap.eval()
    torch.manual_seed(5)
    expected = objective(trap, *batch).loss.detach()
    with mode():
        torch.manual_seed(5)
        output = objective(trap, *(tensor * 1 for tensor in batch))
    torch.testing.assert_close(output.loss, expected, rtol=0, atol=0)
    assert not output.loss.requires_grad
    assert not output.logits.requires_grad


@pytest.mark.parametrize("name", objectives)
def test_outputs_that_are_no_tensor_are_refused(name: str, batch: Batch) -> None:
    class Answer(nn.Linear):
        def forward(self, images: Tensor) -> Any:
            return {"logits": super().forward(images.flatten(1)[:, :4])}

    with pytest.raises(InputError, match="the model returned a dict, expected logits"):
        build_objective(name, 40, {})(Answer(4, 4), *batch)


@every_variant
def test_extra_passes_leave_no_trace(
    name: str, options: dict[str, object], trap: nn.Module, batch: Batch
) -> None:
    """Buffers end as after the one clean pass; gradients, flags and modes as they were."""
    images = batch[0]
    once = copy.deepcopy(trap)
    torch.manual_seed(5)
    once(images)
    before = {key: p.detach().clone() for key, p in trap.named_parameters()}
    flags = [p.requires_grad for p in trap.parameters()]
    modes = [module.training for module in trap.modules()]
    copied = images.clone()
    torch.manual_seed(5)
    build_objective(name, 40, options)(trap, *batch)
    for (key, found), (_, expected) in zip(trap.named_buffers(), once.named_buffers(), strict=True):
        assert torch.equal(found, expected), key
    assert all(torch.equal(p, before[key]) for key, p in trap.named_parameters())
    assert all(p.grad is None for p in trap.parameters())
    assert [p.requires_grad for p in trap.parameters()] == flags
    assert [module.training for module in trap.modules()] == modes
    assert torch.equal(images, copied)
    assert not images.requires_grad
    assert images.grad is None


@every_variant
def test_tabular_network_trains(name: str, options: dict[str, object]) -> None:
    """Inputs of any shape, outside [0, 1] too; two clusters are learnt."""
    if name == "scaat":
        options = {**options, "region_size": 1}
    if options.get("penalty") == "group":
        options = {**options, "penalty": "l1"}
    torch.manual_seed(0)
    labels = torch.arange(64) % 2
    inputs = torch.randn(64, 5) + 6 * labels[:, None] - 20
    model = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    objective = build_objective(name, 64, {**options, "bounds": None})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        output = objective(model, inputs, labels, torch.arange(64))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    assert (model.eval()(inputs).argmax(1) == labels).float().mean() > 0.95


@every_variant
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_finite_under_autocast(
    name: str, options: dict[str, object], dtype: torch.dtype, trap: nn.Module, batch: Batch
) -> None:
    with torch.autocast("cpu", dtype):
        output = build_objective(name, 40, options)(trap, *batch)
    output.loss.backward()
    assert output.loss.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in trap.parameters() if p.grad is not None)


@every_variant
def test_seed_decides(name: str, options: dict[str, object], trap: nn.Module, batch: Batch) -> None:
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        objective = build_objective(name, 40, options)
        losses.append(objective(copy.deepcopy(trap), *batch).loss)
    assert torch.equal(*losses)


@pytest.mark.parametrize("name", objectives)
def test_bad_batches_are_refused(name: str, trap: nn.Module, batch: Batch) -> None:
    images, labels, index = batch
    objective = build_objective(name, 40, {})
    for bad, message in (
        ((images * 2, labels, index), "images lie in"),
        ((images, labels + 4, index), "label . is out of range, expected 0 to 3"),
        ((images, labels[:5], index), r"labels has shape \(5,\), expected \(12,\)"),
        ((images, labels, index[:5]), r"index has shape \(5,\), expected \(12,\)"),
    ):
        with pytest.raises(InputError, match=message):
            objective(trap, *bad)
    with pytest.raises(InputError, match=r"the model returned shape \(12, 3, 10, 9\)"):
        objective(nn.Identity(), *batch)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("scat", {}, r"unknown method 'scat'"),
        ("scaat", {"epsilom": 1}, r"no option 'epsilom'"),
        ("scaat", {"epsilon": -0.1}, "epsilon is -0.1, expected a non-negative number"),
        ("scaat", {"epsilon": 8}, "epsilon is 8, expected at most the inputs' range of 1"),
        ("scaat", {"epsilon": float("nan")}, "epsilon is nan"),
        ("scaat", {"initial_proportion": 1.5}, r"initial_proportion is 1.5, expected .* \[0, 1\]"),
        ("scaat", {"initial_proportion": 0.95}, "expected it between min_proportion 0.1"),
        ("scaat", {"steps": -1}, "steps is -1"),
        ("scaat", {"divergence": "jeffrey"}, r"did you mean 'jeffreys'\?"),
        ("scaat", {"search_mode": "evaluate"}, "expected one of train, eval"),
        ("scaat", {"bounds": (1.0, 0.0)}, "expected .* low < high"),
        ("saliency-guided", {"proportion": -1}, r"proportion is -1, expected a number in \[0, 1\]"),
        ("standard", {"label_smoothing": 2}, "label_smoothing is 2"),
        ("pgd-adversarial", {"steps": 0}, "steps is 0"),
        (
            "pgd-adversarial",
            {"clean_fraction": 1.1},
            r"clean_fraction is 1.1, expected .* \[0, 1\]",
        ),
        ("pgd-adversarial", {"search_mode": "evl"}, r"did you mean 'eval'\?"),
        ("trades", {"epsilon": 2}, "epsilon is 2, expected at most the inputs' range of 1"),
        ("trades", {"start_noise": 0}, "start_noise is 0, expected a positive number"),
        ("input-gradient", {"weight": -1}, "weight is -1, expected a non-negative number"),
        ("norm-regularised", {"penalty": "l2"}, "expected one of l1, elastic-net, group"),
        ("norm-regularised", {"ridge": 0}, "ridge is 0, expected a positive number"),
        ("saliency-guided-adversarial", {"proportion": 2}, "proportion is 2"),
    ],
)
def test_bad_options_are_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_objective(name, 40, options)
