"""A user's own Lightning module, and saliency measures inside Lightning's validation."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from integration_reference import (
    CLASSES,
    SEED,
    Plain,
    Recording,
    assert_equal,
    own_trainer,
    pictures,
    replay,
    schedule,
    state_of,
)
from scaat.errors import InputError
from scaat.functional import aopc, entropy, gini, perturbation_curve, saliency_map
from scaat.integrations import IndexedDataset
from scaat.integrations.lightning import ObjectiveMixin, SaliencyEvaluation
from scaat.training.batches import seed_step

SAMPLES, BATCH, EPOCHS, SHOWN = 21, 4, 2, 7


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, CLASSES),
    )


class Module(ObjectiveMixin, L.LightningModule):
    """What a user has, with the two lines that adopt the objective."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Plain(network())
        self.objective = Recording(SAMPLES)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        found = self.objective_step(self.net, batch, batch_idx)
        self.log_dict(found.terms)
        return found.loss

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        seed_step(SEED, self.global_step, self.global_rank)  # as our own trainer does

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self.net(batch[0]), batch[1]))

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def configure_optimizers(self) -> Any:
        optimizer, scheduler = schedule(self, int(self.trainer.estimated_stepping_batches))
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def floats() -> TensorDataset:
    images, labels = pictures(SAMPLES)
    return TensorDataset(images.float() / 255, labels)


def train_loader() -> DataLoader[Any]:
    return DataLoader(IndexedDataset(floats()), BATCH, shuffle=True)


def new_trainer(**options: Any) -> L.Trainer:
    settings = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": EPOCHS,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return L.Trainer(**settings | options)


def test_training_equals_our_own() -> None:
    images, labels = pictures(SAMPLES)
    module = Module()
    new_trainer().fit(module, train_loader())
    visits = module.objective.visits
    for visit in visits:
        assert torch.equal(visit.labels, labels[visit.index])
        assert torch.equal(visit.images, images[visit.index].float() / 255)
        assert visit.counted is None
    found = state_of(module.objective, module.net.network)
    assert_equal(found, replay(network(), visits, SAMPLES))
    expected = own_trainer(network(), visits, images, labels)
    assert torch.equal(found["proportion"], expected["proportion"])
    torch.testing.assert_close(found, expected)


@pytest.mark.slow
def test_a_resumed_training_ends_as_one_that_was_not_cut(tmp_path: Path) -> None:
    def loader() -> DataLoader[Any]:
        dataset = IndexedDataset(floats())
        return DataLoader(dataset, BATCH, sampler=DistributedSampler(dataset, 1, 0))

    whole = Module()
    saving = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
    new_trainer(enable_checkpointing=True, callbacks=[saving]).fit(whole, loader())
    resumed = Module()
    path = tmp_path / "epoch=0.ckpt"
    new_trainer().fit(resumed, loader(), ckpt_path=path, weights_only=True)
    assert len(resumed.objective.visits) == len(whole.objective.visits) // 2
    assert_equal(state_of(resumed.objective, resumed.net), state_of(whole.objective, whole.net))
    loaded = Module.load_from_checkpoint(tmp_path / "epoch=1.ckpt", weights_only=True)
    assert torch.equal(loaded.objective.proportion, whole.objective.proportion)


def test_half_precision_leaves_the_proportions_as_they_are() -> None:
    module = Module()
    new_trainer(precision="bf16-true").fit(module, train_loader())
    assert module.net.network[0].weight.dtype == torch.bfloat16
    proportion = module.objective.proportion
    steps = (proportion.double() - 0.5) / module.objective.proportions.proportion_step
    assert steps.unique().numel() > 2
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-5)


def test_ddp_does_not_broadcast_the_proportions() -> None:
    ignored = set(Module()._ddp_params_and_buffers_to_ignore)
    stored = {name for name in Module().state_dict() if name.startswith("objective.")}
    assert {"objective.proportion", "objective.step"} <= stored
    # Beside what is stored, the reference of a budget.
    reference = {"objective.budget.reference", "objective.budget.validation"}
    assert ignored == stored | reference


def test_a_batch_without_index_is_refused() -> None:
    with pytest.raises(InputError, match="the batch has 2 parts"):
        Module().objective_step(nn.Identity(), floats()[:2], 0)


# The evaluation


def expected_figures(net: nn.Module) -> dict[str, float]:
    """Of the first images, outside Lightning."""
    net = copy.deepcopy(net).eval()
    images = floats()[:SHOWN][0]
    maps = saliency_map(net, images, net(images).argmax(1))
    curves = perturbation_curve(net, images, maps, steps=4, repeats=2)
    values = {
        "val_saliency_entropy": entropy(maps),
        "val_saliency_gini": gini(maps),
        "val_aopc_lerf": aopc(curves["lerf"]),
        "val_aopc_morf": aopc(curves["morf"]),
    }
    return {name: value.mean().item() for name, value in values.items()}


def evaluation(**options: Any) -> SaliencyEvaluation:
    return SaliencyEvaluation(
        **{"model": "net", "num_images": SHOWN, "steps": 4, "repeats": 2, **options}
    )


def val_loader() -> DataLoader[Any]:
    return DataLoader(floats(), 3)


class Dictionaries(torch.utils.data.Dataset[Any]):
    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, position: int) -> Any:
        return {"image": pictures(SAMPLES)[0][position]}


@pytest.mark.parametrize("inference_mode", [True, False])
@pytest.mark.parametrize("options", [{}, {"model": None}, {"images": lambda batch: batch[0] * 1}])
def test_figures_are_those_of_the_functions(inference_mode: bool, options: dict[str, Any]) -> None:
    module = Module()
    trainer = new_trainer(callbacks=[evaluation(**options)], inference_mode=inference_mode)
    (figures,) = trainer.validate(module, val_loader(), verbose=False)
    expected = expected_figures(module.net)
    assert figures.keys() == {*expected, "val_loss"}
    for name, value in expected.items():
        assert figures[name] == pytest.approx(value, rel=1e-5), name


def test_bytes_in_dictionaries() -> None:
    module = Module()
    module.validation_step = lambda batch, batch_idx: None  # type: ignore[method-assign]
    loader = DataLoader(Dictionaries(), 5)
    (figures,) = new_trainer(callbacks=[evaluation()]).validate(module, loader, verbose=False)
    assert figures == pytest.approx(expected_figures(module.net), rel=1e-5)


class Difference(nn.Module):
    """One logit z, or the two logits (-z/2, z/2)."""

    def __init__(self, net: nn.Module, logits: int) -> None:
        super().__init__()
        self.net = net
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        z = logits[:, :1] - logits[:, 1:2]
        return z if self.logits == 1 else torch.cat([-z / 2, z / 2], 1)


def test_one_logit_is_measured_by_the_predicted_class() -> None:
    module = Module()
    module.validation_step = lambda batch, batch_idx: None  # type: ignore[method-assign]
    expected = expected_figures(Difference(module.net, 2))
    module.net = Difference(module.net, 1)  # type: ignore[assignment]
    (figures,) = new_trainer(callbacks=[evaluation()]).validate(module, val_loader(), verbose=False)
    assert figures == pytest.approx(expected, rel=1e-5)


class Trace(L.Callback):
    """What is to be the same after as before."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def look(self, module: L.LightningModule) -> None:
        self.found.append(
            (
                {name: value.clone() for name, value in module.state_dict().items()},
                {name: weight.grad for name, weight in module.named_parameters()},
                [part.training for part in module.modules()],
                [weight.requires_grad for weight in module.parameters()],
                torch.get_rng_state(),
                [weight.is_inference() for weight in module.state_dict().values()],
            )
        )

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self.look(pl_module)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self.look(pl_module)


def test_training_does_not_notice() -> None:
    found = []
    for callbacks in ([], [evaluation(), Trace()]):
        torch.manual_seed(0)
        module = Module()
        module.net.network[3].eval()  # a part that is to stay as it is
        trainer = new_trainer(callbacks=callbacks, num_sanity_val_steps=2)
        trainer.fit(module, train_loader(), val_loader())
        found.append(state_of(module.objective, module.net))
    assert_equal(*found)
    trace = callbacks[1].found
    for before, after in zip(trace[::2], trace[1::2], strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=0)
    figures = trainer.callback_metrics
    assert figures["val_aopc_lerf"].item() == pytest.approx(
        expected_figures(module.net)["val_aopc_lerf"], abs=1e-6
    )


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InputError, match="num_images is 0, expected 1 or more"):
        SaliencyEvaluation(num_images=0)
    with pytest.raises(InputError, match="unknown adapter 'firts'"):
        SaliencyEvaluation(adapter="firts")
    for loader, message in (
        (DataLoader(TensorDataset(-floats()[:][0], floats()[:][1])), "images lie in"),
        (DataLoader([{"picture": 1.0}]), "a dict in which no images are found"),
    ):
        module = Module()
        module.validation_step = lambda batch, batch_idx: None  # type: ignore[method-assign]
        with pytest.raises(InputError, match=message):
            new_trainer(callbacks=[evaluation()]).validate(module, loader, verbose=False)


# Two processes


class Report(L.Callback):
    """Writes what each process found, in its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        visits = pl_module.objective.visits
        found = state_of(pl_module.objective, pl_module.net.network)
        figures = {name: value.item() for name, value in trainer.callback_metrics.items()}
        expected = replay(network(), visits, SAMPLES, trainer.global_rank)
        counted = [
            visit.index if visit.counted is None else visit.index[visit.counted] for visit in visits
        ]
        content = (found, expected, counted, figures, expected_figures(pl_module.net))
        torch.save(content, self.folder / f"{trainer.global_rank}.pt")


def in_two_processes(folder: Path, **options: Any) -> tuple[Any, Any]:
    """What `Report` wrote of a training of both epochs, or of what is left of them."""
    trainer = new_trainer(
        strategy="ddp_spawn",
        devices=2,
        enable_checkpointing=True,
        callbacks=[
            evaluation(),
            ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1),
            Report(folder),
        ],
        num_sanity_val_steps=0,
    )
    trainer.fit(Module(), train_loader(), val_loader(), **options)
    one, two = (torch.load(folder / f"{rank}.pt") for rank in (0, 1))
    return one, two


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    one, two = in_two_processes(tmp_path)
    assert_equal(one[0], one[1])
    assert_equal(two[0], one[0])  # validation has handed the first one's batch statistics on
    assert torch.equal(two[0]["proportion"], two[1]["proportion"])
    # Both processes together count each sample once an epoch.
    half = len(one[2]) // EPOCHS
    for part in (slice(half), slice(half, None)):
        assert sorted(torch.cat(one[2][part] + two[2][part]).tolist()) == list(range(SAMPLES))
    for figures, expected in ((one[3], one[4]), (two[3], one[4])):
        assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    path = tmp_path / "epoch=0.ckpt"
    resumed = in_two_processes(tmp_path / "again", ckpt_path=path, weights_only=True)
    for whole, again in zip((one, two), resumed, strict=True):
        assert_equal(again[0], whole[0])
        assert torch.equal(torch.cat(again[2]), torch.cat(whole[2][half:]))
        assert again[3] == whole[3]  # the losses and the figures
