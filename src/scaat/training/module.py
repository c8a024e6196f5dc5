"""The training step as a Lightning module."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.data import Augmentation, augment, to_float
from scaat.errors import NonFiniteLossError
from scaat.objectives import Objective
from scaat.training.options import TrainingOptions
from scaat.training.seeding import seed_step

Batch = tuple[Tensor, Tensor, Tensor]

MOMENTUM_CYCLE = 0.05
"""How far one-cycle lowers momentum while the learning rate is high, and raises it after."""


class TrainingModule(L.LightningModule):
    """An objective, a model and their optimiser.

    Args:
        model: Maps images in [0, 1] to logits.
        objective: The training method.
        options: Optimiser and schedule.
        augmentation: Applied to each training batch, on its device.
        seed: Seeds every step; see `seed_step`.
    """

    # Already equal on all processes; broadcasting them at each step would cost num_samples
    # numbers of traffic.
    _ddp_params_and_buffers_to_ignore = ("objective.proportion", "objective.step")

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        options: TrainingOptions,
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.options = options
        self.augmentation = augmentation
        self.seed = seed

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the step."""
        seed_step(self.seed, self.global_step, self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the objective's loss on an augmented batch and log its terms."""
        raw, labels, index = batch
        images = to_float(augment(raw, self.augmentation))
        images = images.contiguous(memory_format=torch.channels_last)
        output = self.objective(self.model, images, labels, index)
        self._check_finite(output.loss, output.logits, index)
        accuracy = (output.logits.detach().argmax(1) == labels).float().mean()
        shown = {"loss": output.loss.detach(), "accuracy": accuracy}
        rest = dict(output.terms)
        if "proportion" in rest:
            shown["proportion"] = rest.pop("proportion")
        size = len(labels)
        self.log_dict(
            shown, prog_bar=True, on_step=True, on_epoch=True, batch_size=size, sync_dist=True
        )
        self.log_dict(rest, on_step=True, on_epoch=True, batch_size=size, sync_dist=True)
        loss: Tensor = output.loss
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log cross-entropy and accuracy on validation images."""
        raw, labels, _ = batch
        logits = self.model(to_float(raw).contiguous(memory_format=torch.channels_last)).float()
        self.log_dict(
            {
                "val_loss": F.cross_entropy(logits, labels),
                "val_accuracy": (logits.argmax(1) == labels).float().mean(),
            },
            prog_bar=True,
            batch_size=len(labels),
            sync_dist=True,
        )

    def configure_optimizers(self) -> Any:
        """SGD with Nesterov momentum under a schedule that spans the whole run."""
        options = self.options
        optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=options.learning_rate,
            momentum=options.momentum,
            nesterov=options.momentum > 0,
            weight_decay=options.weight_decay,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler: torch.optim.lr_scheduler.LRScheduler
        if options.schedule == "one-cycle":
            scheduler = torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                options.learning_rate,
                total_steps=steps,
                # At least a step of rise: torch divides by its length.
                pct_start=max(0.25, min(2 / steps, 0.9)),
                cycle_momentum=options.momentum > 0,
                base_momentum=max(options.momentum - MOMENTUM_CYCLE, 0.0),
                max_momentum=min(options.momentum + MOMENTUM_CYCLE, 0.99),
            )
        else:
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def _check_finite(self, loss: Tensor, logits: Tensor, index: Tensor) -> None:
        if torch.isfinite(loss):
            return
        faulty = index[~torch.isfinite(logits).all(dim=1)]
        named = (faulty if len(faulty) else index).tolist()
        samples = ", ".join(map(str, named[:8])) + (
            f" and {len(named) - 8} more" if len(named) > 8 else ""
        )
        raise NonFiniteLossError(
            f"the loss became {loss.item()} in epoch {self.current_epoch}, step "
            f"{self.global_step}, on training samples {samples}; a lower learning rate or "
            "precision 32 may help"
        )
