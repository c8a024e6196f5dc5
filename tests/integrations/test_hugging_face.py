"""The Hugging Face Trainer's own loop, checkpoints and evaluation, in one process and in two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from PIL import Image
from torch import Tensor, distributed, nn
from torchvision.transforms.functional import to_tensor
from transformers import (
    ResNetConfig,
    ResNetForImageClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
)

from integration_reference import (
    CLASSES,
    MEAN,
    SEED,
    STD,
    Recording,
    assert_equal,
    own_trainer,
    pictures,
    replay,
    schedule,
    state_of,
)
from scaat import SCAAT, Standard
from scaat.errors import InputError
from scaat.integrations.hugging_face import STATE, ObjectiveTrainer
from scaat.objectives import Objective, Proportions
from scaat.training.batches import seed_step
from two_processes import in_two_processes

pytestmark = pytest.mark.slow

SAMPLES, BATCH, EPOCHS = 21, 4, 2


def resnet() -> nn.Module:
    torch.manual_seed(1)
    config = ResNetConfig(
        num_channels=1,
        embedding_size=8,
        hidden_sizes=[8, 12],
        depths=[1, 1],
        layer_type="basic",
        num_labels=CLASSES,
    )
    return ResNetForImageClassification(config)


def vit() -> nn.Module:
    torch.manual_seed(1)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=16,
        patch_size=8,
        num_channels=1,
        num_labels=CLASSES,
    )
    return ViTForImageClassification(config)


def table(normalised: bool = False) -> datasets.Dataset:
    """Images that are made tensors when they are asked for, as in Hugging Face's examples."""

    def transform(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        images = [to_tensor(image) for image in rows["image"]]
        if normalised:
            images = [(image - MEAN[0]) / STD[0] for image in images]
        return {"pixel_values": images, "labels": rows["label"]}

    images, labels = pictures(SAMPLES)
    rows = {"image": [Image.fromarray(image[0].numpy()) for image in images], "label": labels}
    return datasets.Dataset.from_dict(rows).with_transform(transform)


def collate(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
    """As in Hugging Face's examples: other keys are lost."""
    return {
        "pixel_values": torch.stack([row["pixel_values"] for row in rows]),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


class Seeds(TrainerCallback):
    """Seeds each step as our own trainer does."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        seed_step(SEED, state.global_step, self.rank)


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    settings = {
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": EPOCHS,
        "save_strategy": "no",
        "logging_strategy": "no",
        "max_grad_norm": 0,
        "disable_tqdm": True,
    }
    return TrainingArguments(str(folder), use_cpu=True, report_to="none", **settings | options)


def new_trainer(
    folder: Path, objective: Objective | None = None, model: nn.Module | None = None, **options: Any
) -> ObjectiveTrainer:
    model = model or resnet()
    processes = distributed.get_world_size() if distributed.is_initialized() else 1
    each = BATCH * processes
    return ObjectiveTrainer(
        model,
        arguments(folder, **options),
        collate,
        table(),
        optimizers=schedule(model, EPOCHS * -(-SAMPLES // each)),
        objective=objective or Recording(SAMPLES),
        mean=MEAN,
        std=STD,
    )


def test_training_equals_our_own(tmp_path: Path) -> None:
    images, labels = pictures(SAMPLES)
    trainer = new_trainer(tmp_path)
    trainer.add_callback(Seeds(0))
    trainer.train()
    visits = trainer.objective.visits
    assert [len(visit.labels) for visit in visits] == [4, 4, 4, 4, 4, 1] * EPOCHS
    for visit in visits:  # each image came with its label and its index
        assert torch.equal(visit.labels, labels[visit.index])
        assert torch.equal(visit.images, images[visit.index].float() / 255)
        assert visit.counted is None
    found = state_of(trainer.objective, trainer.model)
    assert_equal(found, replay(resnet(), visits, SAMPLES))
    expected = own_trainer(resnet(), visits, images, labels)
    assert torch.equal(found["proportion"], expected["proportion"])
    torch.testing.assert_close(found, expected)


def test_a_resumed_training_ends_as_one_that_was_not_cut(tmp_path: Path) -> None:
    whole = new_trainer(tmp_path, save_strategy="steps", save_steps=4)
    whole.train()
    whole.save_model(str(tmp_path / "export"))
    assert not (tmp_path / "export" / STATE).exists()
    ResNetForImageClassification.from_pretrained(tmp_path / "export")
    resumed = new_trainer(tmp_path)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert len(resumed.objective.visits) == len(whole.objective.visits) - 4
    assert_equal(state_of(resumed.objective, resumed.model), state_of(whole.objective, whole.model))
    last = new_trainer(tmp_path)
    last.train(resume_from_checkpoint=True)
    assert not last.objective.visits
    assert torch.equal(last.objective.proportion, whole.objective.proportion)


@pytest.mark.parametrize("counts_items", [False, True])
def test_accumulated_batches_are_one_large_batch(counts_items: bool, tmp_path: Path) -> None:
    found = []
    for batch, accumulate in ((4, 6), (SAMPLES, 1)):  # the last of the six is short
        model = vit()
        model.accepts_loss_kwargs = counts_items
        trainer = new_trainer(
            tmp_path,
            Standard(),
            model,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulate,
            logging_strategy="steps",
            logging_steps=1,
        )
        trainer.train()
        logs = [entry for entry in trainer.state.log_history if "cross_entropy" in entry]
        assert len(logs) == EPOCHS
        found.append([model.state_dict(), [entry["loss"] for entry in logs]])
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


def test_terms_are_logged(tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path, logging_strategy="steps", logging_steps=3)
    trainer.train()
    (first, *_) = trainer.state.log_history
    assert {"cross_entropy", "divergence", "proportion", "adversarial_accuracy"} <= first.keys()
    expected = first["cross_entropy"] + 5 * first["divergence"]
    assert first["loss"] == pytest.approx(expected, abs=1e-3)


def test_terms_that_some_steps_lack_are_not_diluted(tmp_path: Path) -> None:
    """One step in two is searched: the log over four shows the mean of two."""
    found = []
    for every in (1, 4):
        method = SCAAT(
            SAMPLES, weight=5.0, proportions=Proportions(adaptive=False), search_interval=2
        )
        trainer = new_trainer(tmp_path, method, logging_strategy="steps", logging_steps=every)
        trainer.train()
        found.append([entry for entry in trainer.state.log_history if "loss" in entry])
    each, joined = found
    assert ["divergence" in entry for entry in each[:4]] == [False, True, False, True]
    mean = (each[1]["divergence"] + each[3]["divergence"]) / 2
    assert joined[0]["divergence"] == pytest.approx(mean, rel=1e-4)
    mean = sum(entry["cross_entropy"] for entry in each[:4]) / 4
    assert joined[0]["cross_entropy"] == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("make", [resnet, vit])
def test_evaluation_is_transformers_own(make: Any, tmp_path: Path) -> None:
    model = make()
    trainer = new_trainer(tmp_path, model=model)
    trainer.args.remove_unused_columns = False  # else transformers drops the column of images
    plain = Trainer(model, trainer.args, collate)
    prepared = table(normalised=True)
    for dataset in (prepared, prepared.select(range(5))):
        found, expected = trainer.predict(dataset), plain.predict(dataset)
        assert (found.predictions == expected.predictions).all()
        assert found.metrics["test_loss"] == pytest.approx(expected.metrics["test_loss"])
    assert trainer.evaluate(prepared)["eval_loss"] == pytest.approx(
        plain.evaluate(prepared)["eval_loss"]
    )
    assert not trainer.objective.visits


def test_half_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Older versions set it for good, and later tests' processes would inherit it.
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    trainer = new_trainer(tmp_path, bf16=True)
    trainer.train()
    assert trainer.objective.proportion.unique().numel() > 2
    assert trainer.objective.proportion.dtype == torch.float32
    images = torch.rand(2, 1, 16, 16)
    assert trainer._classifier(trainer.model_wrapped)(images).dtype == torch.float32
    trainer.accelerator.state._mixed_precision = "fp16"  # which needs a GPU
    assert trainer._classifier(trainer.model_wrapped)(images).dtype == torch.float16


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"num_samples of the objective is 20"):
        new_trainer(tmp_path, SCAAT(20))
    with pytest.raises(InputError, match=r"label_smoothing_factor is 0.1"):
        new_trainer(tmp_path, label_smoothing_factor=0.1)
    options = {"objective": SCAAT(SAMPLES), "mean": MEAN, "std": STD}
    with pytest.raises(InputError, match="compute_loss_func is given"):
        ObjectiveTrainer(resnet(), arguments(tmp_path), compute_loss_func=max, **options)
    stream = table().with_format(None).to_iterable_dataset()
    with pytest.raises(InputError, match="can only be iterated over"):
        ObjectiveTrainer(
            resnet(), arguments(tmp_path, max_steps=1), train_dataset=stream, **options
        )
    trainer = new_trainer(tmp_path)
    with pytest.raises(InputError, match="a training batch holds 'pixel_values'"):
        trainer.compute_loss(resnet().train(), {"pixel_values": torch.rand(2, 1, 16, 16)})
    (tmp_path / "checkpoint-3").mkdir()
    with pytest.raises(InputError, match="checkpoint-3' holds nothing of the objective"):
        trainer.train(resume_from_checkpoint=True)


def one_step(folder: Path, batch: int, accumulate: int) -> dict[str, Tensor]:
    """A step on the first 16 samples of an epoch."""
    trainer = new_trainer(
        folder,
        Standard(),
        vit(),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        max_steps=1,
    )
    trainer.train()
    return trainer.model.state_dict()


def process(rank: int, folder: Path) -> None:
    steps = EPOCHS * -(-SAMPLES // (2 * BATCH))
    trainer = new_trainer(folder / "run", save_strategy="steps", save_steps=steps - 1)
    trainer.add_callback(Seeds(rank))
    trainer.train()
    whole = state_of(trainer.objective, trainer.model)
    expected = replay(resnet(), trainer.objective.visits, SAMPLES, rank)
    resumed = new_trainer(folder / "again")
    resumed.add_callback(Seeds(rank))
    resumed.train(resume_from_checkpoint=str(folder / "run" / f"checkpoint-{steps - 1}"))
    assert len(resumed.objective.visits) == 1
    again = state_of(resumed.objective, resumed.model)
    accumulating = new_trainer(folder / "accumulating", gradient_accumulation_steps=2)
    accumulating.train()
    counted = [
        [
            visit.index if visit.counted is None else visit.index[visit.counted]
            for visit in one.objective.visits
        ]
        for one in (trainer, accumulating)
    ]
    step = one_step(folder / "step", BATCH, 2)
    torch.save((whole, expected, again, counted, step), folder / f"{rank}.pt")


def test_two_processes(tmp_path: Path) -> None:
    in_two_processes(process, tmp_path)
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for whole, expected, again, _, _ in (one, two):
        assert_equal(whole, expected)
        assert torch.equal(again["proportion"], whole["proportion"])
    assert_equal(one[2], one[0])  # the checkpoint has the first one's batch statistics
    for name, value in one[0].items():
        if "running" not in name:
            assert torch.equal(value, two[0][name]), name
    # Both processes together count each sample once an epoch; what fills the batches up moves no
    # proportion.
    batches = -(-SAMPLES // (2 * BATCH))
    for first, second in zip(one[3], two[3], strict=True):
        for start in range(0, len(first), batches):  # an epoch
            visits = first[start : start + batches] + second[start : start + batches]
            assert sorted(torch.cat(visits).tolist()) == list(range(SAMPLES))
    # Four batches of two processes make the step of one large batch.
    torch.testing.assert_close(one[4], one_step(tmp_path / "one", 16, 1), rtol=1e-4, atol=1e-6)
