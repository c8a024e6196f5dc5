"""A training step that can be repeated: the weights stay, the work is the whole step's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from scaat.objectives import Objective

Batch = tuple[Tensor, Tensor, Tensor]
"""Images in [0, 1], labels, and each one's position in the training set."""


def trial_copy(model: nn.Module, device: torch.device) -> nn.Module:
    """Return a copy of a model as training has it: there, channels last, in training mode."""
    return copy.deepcopy(model).to(device).to(memory_format=torch.channels_last).train()


def idle_optimizer(model: nn.Module, momentum: float = 0.9) -> torch.optim.Optimizer:
    """Return SGD at a rate of 0: no step may spoil the next one's arithmetic.

    Args:
        model: Of its weights those that train.
        momentum: Needs memory, unlike 0.
    """
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.optim.SGD(trained, lr=0.0, momentum=momentum)


class TrialStep:
    """An objective's step: forward, backward, and the optimiser's.

    The objective is put in evaluation mode, in which every step is its own, whatever its interval.

    Args:
        model: Its weights stay; its batch-norm statistics and gradients change.
        objective: The training method, on the model's device.
        batch: Called for the batch in each step, whose device is the model's.
        optimizer: As `idle_optimizer` makes it. Several steps of one model may share it.
        autocast: Computed in where autocast says so; None for what the tensors have.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        batch: Callable[[], Batch],
        optimizer: torch.optim.Optimizer,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.model = model
        self.objective = objective.eval()
        self.batch = batch
        self.optimizer = optimizer
        self.autocast = autocast

    def __call__(self) -> None:
        """Make the step."""
        images, labels, index = self.batch()
        with self._precision(images):
            loss = self.objective(self.model, images, labels, index).loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.no_grad()
    def forward(self) -> None:
        """Run the model alone, without a graph."""
        images, _, _ = self.batch()
        with self._precision(images):
            self.model(images)

    def tensors(self) -> Iterator[Tensor]:
        """Yield what lasts from step to step: weights, buffers, momentum; and the batch."""
        for module in (self.model, self.objective):
            yield from module.parameters()
            yield from module.buffers()
        for state in self.optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))
        yield from self.batch()

    def _precision(self, images: Tensor) -> torch.autocast:
        return torch.autocast(
            images.device.type, dtype=self.autocast, enabled=self.autocast is not None
        )
