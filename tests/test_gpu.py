"""A GPU finds what a CPU finds. Run where there is one; skipped elsewhere."""

from __future__ import annotations

import copy
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.attribution.test_conformance import batch as explained
from tests.attribution.test_conformance import complete
from tests.attribution.test_conformance import net as explained_net
from tests.evaluation.test_evaluate import image_set as measured_set
from tests.evaluation.test_evaluate import net as measured_net
from tests.objectives.test_conformance import VARIANTS
from tests.training.conftest import brightness
from tests.training.test_resume import Cut, CutError
from torch import Tensor

from scaat.attribution import attributions
from scaat.cost import Variant, measure_costs
from scaat.data import DataSplits
from scaat.errors import MemoryExhaustedError, TrainingStopped
from scaat.evaluation import EvaluationOptions, evaluate
from scaat.evaluation.context import exact_convolutions
from scaat.models.networks import small_resnet
from scaat.objectives import build_objective
from scaat.options.evaluation import OPTIONAL_MEASURES
from scaat.training import TrainingOptions, fit, load_trained

GPU = torch.device("cuda")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
OPTIONS = TrainingOptions(
    model="small-resnet", epochs=3, batch_size=8, learning_rate=0.05, checkpoint_every=2
)
SCAAT: dict[str, Any] = {
    "weight": 5.0,
    "steps": 1,
    "proportion_step": 0.03,
    "search_interval": 1,
}


@pytest.fixture
def splits() -> DataSplits:
    return brightness()


@pytest.fixture
def draws_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let noise come from the CPU's generator, whose numbers a GPU's does not draw."""

    def uniform(tensor: Tensor, low: float, high: float, generator: None = None) -> Tensor:
        drawn = low + (high - low) * torch.rand(tensor.shape, dtype=tensor.dtype)
        return tensor.copy_(drawn)

    for name, draw in (("rand_like", torch.rand), ("randn_like", torch.randn)):
        monkeypatch.setattr(
            torch, name, lambda like, draw=draw: draw(like.shape, dtype=like.dtype).to(like)
        )
    monkeypatch.setattr(Tensor, "uniform_", uniform)


@pytest.mark.usefixtures("draws_of_the_cpu")
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_objectives_agree(name: str, options: dict[str, object]) -> None:
    """In double precision, so that no sign and no rank turns on rounding."""
    found = []
    for device in (torch.device("cpu"), GPU):
        torch.manual_seed(0)
        model = small_resnet(4, (16, 16)).double().to(device)
        objective = build_objective(name, 40, options).to(device)
        images = torch.rand(12, 3, 16, 16, dtype=torch.float64).to(device)
        labels = (torch.arange(12) % 4).to(device)
        for step in range(3):
            index = (torch.arange(12) + 12 * step).to(device)
            output = objective(model, images, labels, index)
            output.loss.backward()
        tensors = {"loss": output.loss.detach(), "logits": output.logits.detach(), **output.terms}
        tensors |= {key: weight.grad for key, weight in model.named_parameters()}
        tensors |= dict(objective.named_buffers())
        found.append({key: value.cpu() for key, value in tensors.items() if value is not None})
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_objectives_are_finite_under_autocast(
    name: str, options: dict[str, object], dtype: torch.dtype
) -> None:
    model = small_resnet(4, (16, 16)).to(GPU)
    images, labels = torch.rand(12, 3, 16, 16, device=GPU), torch.arange(12, device=GPU) % 4
    with torch.autocast("cuda", dtype):
        output = build_objective(name, 40, options).to(GPU)(model, images, labels, labels)
    output.loss.backward()
    assert output.loss.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", list(attributions))
def test_saliency_methods_agree(name: str) -> None:
    images, targets = explained()
    attribute = complete(attributions[name])
    with exact_convolutions():
        found = attribute(explained_net().to(GPU), images.to(GPU), targets.to(GPU))
    torch.testing.assert_close(
        found.cpu(), attribute(explained_net(), images, targets), rtol=1e-3, atol=1e-5
    )


def test_evaluations_agree() -> None:
    options = EvaluationOptions(
        ("gradient", "smoothgrad"),
        also_measure=OPTIONAL_MEASURES,
        aopc_steps=4,
        bootstrap_resamples=200,
    )
    model, images = measured_net().eval(), measured_set(masks=True)
    expected = evaluate(model, images, options)
    found = evaluate(copy.deepcopy(model).to(GPU), images, options, device=GPU)
    for name, of_cpu in expected.results.items():
        for key, value in of_cpu.metrics.items():
            of_gpu = found.results[name].metrics[key]
            if isinstance(value, dict) and isinstance(value.get("value"), float):
                assert of_gpu["value"] == pytest.approx(value["value"], rel=1e-3, abs=1e-4), key


@pytest.mark.parametrize("precision", ["auto", "32", "16"])
def test_training_goes_on_where_it_was_cut(
    precision: Any, splits: DataSplits, tmp_path: Path
) -> None:
    options = replace(OPTIONS, precision=precision, deterministic=True)

    def run(folder: str, **extra: Any) -> Any:
        return fit(splits, "scaat", SCAAT, options, seed=3, folder=tmp_path / folder, **extra)

    whole = run("whole")
    assert whole.summary["device"].startswith("cuda")
    assert whole.summary["steps"] == 18
    for number, place in enumerate([(0, 3), (1, 5)]):
        with pytest.raises(CutError):
            run("cut", callbacks=[Cut(*place)], resume=number > 0)
    resumed = run("cut", resume=True)
    assert torch.equal(whole.proportion, resumed.proportion)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
    assert next(load_trained(tmp_path / "cut").model.parameters()).device.type == "cpu"


def test_a_signal_leaves_a_checkpoint(splits: DataSplits, tmp_path: Path) -> None:
    cut = [Cut(1, 2, signal.SIGTERM)]
    with pytest.raises(TrainingStopped):
        fit(splits, "scaat", SCAAT, OPTIONS, seed=0, folder=tmp_path, callbacks=cut)
    fit(splits, "scaat", SCAAT, OPTIONS, seed=0, folder=tmp_path, resume=True)


def test_compiled_training_ends_near_that_of_the_model_as_it_is(
    splits: DataSplits, tmp_path: Path
) -> None:
    ends = [
        fit(
            splits,
            "scaat",
            SCAAT,
            replace(OPTIONS, compile=backend, precision="32", epochs=1),
            seed=0,
            folder=tmp_path / backend,
        ).summary["loss"]
        for backend in ("none", "inductor")
    ]
    assert ends[1] == pytest.approx(ends[0], rel=0.1)  # a search turns on signs


def test_costs_are_measured() -> None:
    costs = measure_costs(
        small_resnet(4, (32, 32)),
        [Variant("scaat", "scaat", {}), Variant("cheap", "scaat", {"steps": 0})],
        torch.rand(8, 3, 32, 32, device=GPU),
        torch.arange(8) % 4,
        rounds=2,
        turn_seconds=0.01,
        autocast=torch.bfloat16,
    )
    assert [round(cost.passes.total) for cost in costs] == [3, 15, 7]
    assert costs[1].memory_ratio > 1
    assert all(cost.seconds.median > 0 for cost in costs)


def test_exhausted_memory_is_said_in_words(
    splits: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "scaat.training.module.augment", lambda raw, _: torch.empty(2**50, device=raw.device)
    )
    with pytest.raises(MemoryExhaustedError, match="batch_size"):
        fit(splits, "standard", {}, OPTIONS, seed=0, folder=tmp_path)
