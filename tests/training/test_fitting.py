from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from scaat.data import Augmentation, DataSplits, to_float
from scaat.errors import InputError
from scaat.objectives import objectives
from scaat.training import (
    NonFiniteLossError,
    TrainedModel,
    TrainingOptions,
    fit,
    is_finished,
    load_trained,
    read_history,
)
from scaat.training.architecture import starting_model

OPTIONS = TrainingOptions(
    model="nets:tiny", epochs=3, batch_size=8, learning_rate=0.05, precision="32", accelerator="cpu"
)
SCAAT = {
    "weight": 5.0,
    "steps": 1,
    "proportion_step": 0.03,
    "region_size": 2,
    "search_interval": 1,
}


def same(one: TrainedModel, two: TrainedModel) -> bool:
    weights = zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights)


@pytest.mark.parametrize("method", objectives)
def test_trains_writes_and_reads_back(method: str, splits: DataSplits, tmp_path: Path) -> None:
    options = replace(OPTIONS, epochs=8)
    trained = fit(splits, method, {}, options, seed=0, folder=tmp_path)
    images, labels = to_float(splits.test.images), splits.test.labels
    with torch.no_grad():
        logits = trained.model(images)
    assert (logits.argmax(1) == labels).float().mean() > 0.7
    assert not trained.model.training
    assert is_finished(tmp_path)
    again = load_trained(tmp_path)
    assert same(trained, again)
    assert again.summary == trained.summary == json.loads((tmp_path / "training.json").read_text())
    assert trained.summary["steps"] == 8 * 6
    assert trained.summary["train_seconds"] > 0
    assert (trained.proportion is not None) == (method == "scaat")
    epochs = (tmp_path / "logs" / "epochs.csv").read_text().splitlines()
    assert epochs[0].startswith("step,epoch,accuracy,")
    assert [line.split(",")[0] for line in epochs[1:]] == [str(6 * n) for n in range(1, 9)]
    steps = (tmp_path / "logs" / "steps.csv").read_text().splitlines()
    assert steps[0].startswith("step,epoch,learning_rate,loss,accuracy,")
    assert [line.split(",")[0] for line in steps[1:]] == ["10", "20", "30", "40"]
    assert list((tmp_path / "logs" / "tensorboard").rglob("events*"))
    assert not list(tmp_path.rglob("*.part"))


def test_proportions_follow_the_training_set_index(splits: DataSplits, tmp_path: Path) -> None:
    """Shuffled, augmented, with a short last batch: each sample moved by its own visits."""
    visits: list[tuple[torch.Tensor, torch.Tensor]] = []
    import scaat.objectives.proportions as module

    update = module.visited_proportion

    def spy(q: torch.Tensor, index: torch.Tensor, correct: torch.Tensor, **limits: Any) -> Any:
        visits.append((index.clone(), correct.clone()))
        return update(q, index, correct, **limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "visited_proportion", spy)
        trained = fit(splits, "scaat", SCAAT, OPTIONS, seed=0, folder=tmp_path)
    expected = [0.2] * 45
    for index, correct in visits:
        for i, c in zip(index.tolist(), correct.tolist(), strict=True):
            expected[i] = min(max(expected[i] + (0.03 if c else -0.03), 0.1), 0.9)
    assert trained.proportion is not None
    torch.testing.assert_close(trained.proportion, torch.tensor(expected))
    epochs = [torch.cat([index for index, _ in visits[k : k + 6]]) for k in (0, 6, 12)]
    assert all(epoch.sort().values.tolist() == list(range(45)) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])
    assert len(visits[5][0]) == 5


def test_an_objective_is_told_the_length_of_the_training(
    splits: DataSplits, tmp_path: Path
) -> None:
    """3 epochs of 6 batches: half of them is a ramp of 9 steps, and another would show."""
    ramps = ({"ramp_fraction": 0.5}, {"ramp_steps": 9}, {"ramp_steps": 10})
    share, steps, longer = (
        fit(splits, "scaat", SCAAT | ramp, OPTIONS, seed=0, folder=tmp_path / str(number))
        for number, ramp in enumerate(ramps)
    )
    assert same(share, steps)
    assert not same(share, longer)


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_shortest_runs(schedule: Any, steps: int, splits: DataSplits, tmp_path: Path) -> None:
    options = replace(OPTIONS, schedule=schedule, epochs=steps, batch_size=45)
    trained = fit(splits, "standard", {}, options, seed=0, folder=tmp_path)
    assert trained.summary["steps"] == steps
    assert all(p.isfinite().all() for p in trained.model.parameters())


def test_a_long_gradient_is_shortened(splits: DataSplits, tmp_path: Path) -> None:
    """One plain step of descent moves the weights by learning rate times the largest norm."""
    options = replace(
        OPTIONS,
        epochs=1,
        batch_size=45,
        momentum=0.0,
        weight_decay=0.0,
        schedule="cosine",
        clip_gradient=0.01,
    )
    torch.manual_seed(0)
    before = starting_model(splits.train, options).model
    after = fit(splits, "standard", {}, options, seed=0, folder=tmp_path).model
    pairs = zip(after.parameters(), before.parameters(), strict=True)
    length = torch.cat([(new - old).detach().flatten() for new, old in pairs]).norm()
    assert length.item() == pytest.approx(0.05 * 0.01, rel=1e-3)


def test_seed_decides(splits: DataSplits, tmp_path: Path) -> None:
    runs = [
        fit(splits, "scaat", SCAAT, OPTIONS, seed=seed, folder=tmp_path / str(number))
        for number, seed in enumerate((0, 0, 1))
    ]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


class StepTerms(Callback):
    """Notes each step's figures and size, by epoch."""

    def __init__(self) -> None:
        self.noted: dict[int, list[tuple[int, dict[str, float]]]] = defaultdict(list)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        figures = {name: float(value) for name, value in pl_module.figures.items()}
        self.noted[trainer.current_epoch].append((len(batch[1]), figures))


def test_terms_that_some_steps_lack_are_not_diluted(splits: DataSplits, tmp_path: Path) -> None:
    """Six steps an epoch, searches in steps 15 and 30: in the third epoch and the fifth."""
    terms = StepTerms()
    method = {**SCAAT, "search_interval": 15}
    fit(
        splits, "scaat", method, replace(OPTIONS, epochs=5), seed=0, folder=tmp_path,
        callbacks=[terms],
    )  # fmt: skip
    history = read_history(tmp_path)
    assert history is not None
    for name in ("divergence", "adversarial_accuracy", "cross_entropy"):
        expected = []
        for steps in terms.noted.values():
            had = [(size, figures[name]) for size, figures in steps if name in figures]
            total = sum(size for size, _ in had)
            expected.append(sum(size * value for size, value in had) / total if had else None)
        assert [value is None for value in expected] == (
            [False] * 5 if name == "cross_entropy" else [True, True, False, True, False]
        )
        for found, value in zip(history["curves"][name], expected, strict=True):
            assert found == (None if value is None else pytest.approx(value, rel=1e-6))
    with (tmp_path / "logs" / "steps.csv").open() as file:
        assert [bool(row["divergence"]) for row in csv.DictReader(file)] == [False, False, True]


def test_a_last_epoch_without_a_search_is_written(splits: DataSplits, tmp_path: Path) -> None:
    """Its divergence is absent: JSON has no NaN, and the epoch before is another one."""
    method = {**SCAAT, "search_interval": 5}
    options = replace(OPTIONS, epochs=2, batch_size=20)  # three steps an epoch
    trained = fit(splits, "scaat", method, options, seed=0, folder=tmp_path / "one")
    assert "divergence" in trained.summary
    method = {**SCAAT, "search_interval": 4}
    trained = fit(
        splits, "scaat", method, replace(options, epochs=1), seed=0, folder=tmp_path / "2"
    )
    assert "divergence" not in trained.summary
    assert trained.summary["cross_entropy"] > 0
    method = {**SCAAT, "search_interval": 5}
    trained = fit(
        splits, "scaat", method, replace(options, epochs=3), seed=0, folder=tmp_path / "3"
    )
    assert "divergence" not in trained.summary
    history = read_history(tmp_path / "3")
    assert history is not None
    assert [value is None for value in history["curves"]["divergence"]] == [True, False, True]


@pytest.mark.slow
@pytest.mark.parametrize("interval", [1, 3])
def test_two_processes_equal_one(interval: int, splits: DataSplits, tmp_path: Path) -> None:
    """Same global batches, nothing random beside their order: same proportions and weights."""
    splits = replace(splits, augmentation=Augmentation(), train=splits.train.subset(range(40)))
    method = {
        "weight": 5.0,
        "epsilon": 0.0,
        "proportion_step": 0.07,
        "search_interval": interval,
    }
    options = replace(OPTIONS, model="nets:plain", epochs=2)
    one = fit(splits, "scaat", method, options, seed=0, folder=tmp_path / "one")
    options = replace(options, batch_size=4, devices=2)
    two = fit(splits, "scaat", method, options, seed=0, folder=tmp_path / "two")
    assert one.proportion is not None
    assert two.proportion is not None
    assert torch.equal(one.proportion, two.proportion)
    assert one.proportion.unique().numel() > 2
    for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert one.summary["steps"] == two.summary["steps"] == 10
    histories = [read_history(tmp_path / name) for name in ("one", "two")]
    for name in ("adversarial_accuracy", "cross_entropy", "proportion", "val_budget_loss"):
        first, second = (history["curves"][name] for history in histories if history)
        assert first == pytest.approx(second, rel=1e-4)


def test_non_finite_loss_names_epoch_step_and_samples(splits: DataSplits, tmp_path: Path) -> None:
    options = replace(OPTIONS, model="nets:explosive", learning_rate=1e30)
    with pytest.raises(
        NonFiniteLossError, match=r"epoch \d, step \d+, on training samples \d+(, \d+)*"
    ):
        fit(splits, "standard", {}, options, seed=0, folder=tmp_path)
    assert not is_finished(tmp_path)


@pytest.mark.parametrize("file", ["model.pt", "training.json"])
def test_missing_and_damaged_files_are_named(file: str, splits: DataSplits, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no model\.pt"):
        load_trained(tmp_path)
    fit(splits, "standard", {}, replace(OPTIONS, epochs=1), seed=0, folder=tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged"):
        load_trained(tmp_path)


class Payload:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("executed").touch, ())


def test_loading_executes_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Payload()}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="refers to code"):
        load_trained(tmp_path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"momentum": 1.0}, "momentum is 1.0, expected 0 or more and below 1"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"weight_decay": -1}, "weight_decay is -1, expected 0 or more"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainingOptions(**options)
