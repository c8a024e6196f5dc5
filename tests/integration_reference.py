"""What adapters are compared with: a bare loop over an objective, and scaat's own trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader

from scaat.data import Augmentation, ImageSet, identity
from scaat.objectives import SCAAT, ObjectiveOutput, Proportions, Search
from scaat.training import TrainingOptions
from scaat.training.batches import seed_step
from scaat.training.module import TrainingModule

SEED = 7
CLASSES = 3
MEAN, STD = (0.4,), (0.25,)  # grey images, which have one memory format
OPTIONS = {
    "weight": 5.0,
    "search": Search(epsilon=0.1, steps=2),
    "proportions": Proportions(proportion_step=0.03),
    "search_interval": 1,
}
LEARNING_RATE = 0.05


class Visit(NamedTuple):
    """What an objective was called with."""

    images: Tensor
    labels: Tensor
    index: Tensor
    counted: Tensor | None


class Recording(SCAAT):
    """Notes what it is called with."""

    def __init__(self, num_samples: int, **options: Any) -> None:
        super().__init__(num_samples, **{**OPTIONS, **options})
        self.visits: list[Visit] = []

    def forward(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        index: Tensor,
        counted: Tensor | None = None,
    ) -> ObjectiveOutput:
        self.visits.append(Visit(images.detach().clone(), labels, index, counted))
        return super().forward(model, images, labels, index, counted)


class Plain(nn.Module):
    """Normalisation, a network and its logits, written without scaat."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        output = self.network((images - MEAN[0]) / STD[0])
        logits: Tensor = output if isinstance(output, Tensor) else output.logits
        return logits


def pictures(count: int, side: int = 16) -> tuple[Tensor, Tensor]:
    """Noise whose brightness gives the class away, if not entirely: uint8 grey, and labels."""
    generator = torch.Generator().manual_seed(count)
    labels = torch.arange(count) % CLASSES
    noise = torch.randint(0, 150, (count, 1, side, side), generator=generator)
    return (noise + 50 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels


def schedule(network: nn.Module, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    """The optimiser and schedule of `TrainingModule` without momentum."""
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)


def state_of(objective: nn.Module, network: nn.Module) -> dict[str, Tensor]:
    """Proportions and weights, copied."""
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    found = {**objective.state_dict(), **weights}
    return {name: value.detach().clone() for name, value in found.items()}


def replay(
    network: nn.Module, visits: Sequence[Visit], samples: int, rank: int = 0
) -> dict[str, Tensor]:
    """Train by the bare objective in a plain loop, under DDP where processes are there."""
    model: nn.Module = Plain(network).train()
    if distributed.is_initialized() and distributed.get_world_size() > 1:
        model = nn.parallel.DistributedDataParallel(model)
    objective = SCAAT(samples, **OPTIONS)
    optimizer, scheduler = schedule(network, len(visits))
    for step, visit in enumerate(visits):
        seed_step(SEED, step, rank)
        optimizer.zero_grad()
        objective(model, *visit).loss.backward()
        optimizer.step()
        scheduler.step()
    return state_of(objective, network)


def own_trainer(
    network: nn.Module, visits: Sequence[Visit], images: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """Train by scaat's own Lightning module on the same batches."""
    objective = SCAAT(len(images), **OPTIONS)
    options = TrainingOptions(
        epochs=1, learning_rate=LEARNING_RATE, momentum=0, weight_decay=0, schedule="cosine"
    )
    module = TrainingModule(Plain(network), objective, options, Augmentation(), SEED)
    loader = DataLoader(
        ImageSet(images, labels, tuple("abc")),
        batch_sampler=[visit.index.tolist() for visit in visits],
        collate_fn=identity,
    )
    trainer = L.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)
    return state_of(objective, network)


def assert_equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    """Bit by bit, and some proportion has moved."""
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    assert one["proportion"].unique().numel() > 2
