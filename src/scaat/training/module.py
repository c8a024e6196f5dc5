"""The training step as a Lightning module."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from scaat.data import Augmentation, augment, to_float
from scaat.data.image_set import Batch
from scaat.errors import InputError, NonFiniteLossError
from scaat.functional.logits import label_cross_entropy
from scaat.functional.temperature import FACTORS, cross_entropy_by_temperature
from scaat.objectives import Objective
from scaat.objectives.budget import validation_loss
from scaat.options.training import TrainingOptions
from scaat.training.batches import loss_scale, real_samples, seed_step
from scaat.training.checkpoint import check_format
from scaat.training.devices import compile_model
from scaat.training.logs import EpochMeans

MOMENTUM_CYCLE = 0.05
"""How far one-cycle lowers momentum while the learning rate is high, and raises it after."""


class TrainingModule(L.LightningModule):
    """An objective, a model (from images in [0, 1] to logits) and their optimiser.

    Each training batch is augmented on its device, and each step seeded; see `seed_step`.
    """

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
        # Already equal on all processes; broadcasting num_samples values each step would be waste.
        self._ddp_params_and_buffers_to_ignore = [
            f"objective.{name}" for name, _ in objective.named_buffers()
        ]
        self.means = EpochMeans()  # of the epoch so far
        self.figures: dict[str, Tensor] = {}  # the last step's, as this process has them

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the step by the batches before; optimiser steps are fewer where they accumulate."""
        before = self.current_epoch * int(self.trainer.num_training_batches) + batch_idx
        seed_step(self.seed, before, self.global_rank)

    def on_fit_start(self) -> None:
        """Compile the model, in each process."""
        if self.options.compile != "none":
            compile_model(self.model, self.options.compile)

    def on_fit_end(self) -> None:
        """Leave the model as it came."""
        self.model._compiled_call_impl = None  # torch has no public way to undo `compile`

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the objective's loss on an augmented batch and log its terms."""
        raw, labels, index = batch
        images = to_float(augment(raw, self.augmentation))
        images = images.contiguous(memory_format=torch.channels_last)
        loader, size = self.trainer.train_dataloader, len(labels)
        counted = real_samples(loader, batch_idx, size, self.device)
        output = self.objective(self.model, images, labels, index, counted)
        self._check_finite(output.loss, output.logits, index)
        accuracy = self.objective.correct(output.logits.detach(), labels).float().mean()
        shown = {"loss": output.loss.detach(), "accuracy": accuracy}
        rest = dict(output.terms)
        if "proportion" in rest:
            shown["proportion"] = rest.pop("proportion")
        self.figures = {**shown, **rest}
        self.means.add(self.figures, size)
        self.log_dict(
            {f"{name}_step": value for name, value in shown.items()},
            prog_bar=True,
            logger=False,
        )
        loss: Tensor = output.loss * loss_scale(
            batch_idx,
            batch_size=self.options.batch_size,
            accumulate=self.options.accumulate,
            samples=len(loader.sampler),  # type: ignore[union-attr]
            size=size,
        )
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Give the epoch's means after its last batch, so that callbacks find them at its end."""
        if batch_idx + 1 == self.trainer.num_training_batches:
            self.log_dict(
                {f"{name}_epoch": value for name, value in self.means.joined().items()},
                on_step=False,
                on_epoch=True,
                logger=False,
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the running means and the number of processes."""
        checkpoint["means"] = self.means.state()
        checkpoint["processes"] = self.trainer.world_size

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the running means; `InputError` for a newer format or other number of processes."""
        check_format(checkpoint)
        if checkpoint["processes"] != self.trainer.world_size:
            raise InputError(
                f"the checkpoint was written by {checkpoint['processes']} processes, found "
                f"{self.trainer.world_size}; expected as many, as each has its place in the epoch"
            )
        self.means.load(checkpoint["means"], self.global_rank, self.trainer.strategy.root_device)

    def on_validation_epoch_start(self) -> None:
        """Start the sums over the validation images."""
        self._validated = torch.zeros(len(FACTORS) + 2, device=self.device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log cross-entropy and accuracy on validation images."""
        raw, labels, _ = batch
        logits = self.model(to_float(raw).contiguous(memory_format=torch.channels_last)).float()
        correct = self.objective.correct(logits, labels).float()
        self.log_dict(
            {
                "val_loss": label_cross_entropy(logits, labels),
                "val_accuracy": correct.mean(),
            },
            prog_bar=True,
            logger=False,
            batch_size=len(labels),
            sync_dist=True,
        )
        self._validated[:-2] += cross_entropy_by_temperature(logits, labels)
        self._validated[-2] += correct.sum()
        self._validated[-1] += len(labels)

    def on_validation_epoch_end(self) -> None:
        """Log the loss that an accuracy budget compares, and tell the objective."""
        # Each process validates the whole set: a sum would count its images several times.
        joined = self.trainer.strategy.reduce(self._validated, reduce_op="mean")
        loss = validation_loss(joined[:-2], joined[-2], joined[-1])
        self.log("val_budget_loss", loss, logger=False)
        if self.trainer.state.fn == "fit":
            self.objective.observe_validation(loss, joined[-1])

    def configure_optimizers(self) -> Any:
        """SGD with Nesterov momentum under a schedule that spans the whole run."""
        options = self.options
        optimizer = torch.optim.SGD(
            [weight for weight in self.model.parameters() if weight.requires_grad],
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
