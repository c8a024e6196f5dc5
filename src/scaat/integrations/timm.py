"""timm: an objective as a `timm.task.TrainingTask`, fed by timm's own loaders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.integrations.common import IndexedDataset, Pixels, extra, load_state
from scaat.objectives import Objective
from scaat.passes import raise_recompile_limit

with extra("timm", "the adapter for timm"):
    from timm.task import ClassificationTask

__all__ = ["IndexedTargets", "ObjectiveTask"]


class IndexedTargets(IndexedDataset):
    """An `IndexedDataset` for `timm.data.create_loader`: the index rides in the target.

    timm's loaders pass on an image and a target and nothing else, so each target becomes the pair
    (label, index), an int64 array (2,), and a batch's targets have shape (N, 2). `ObjectiveTask`
    takes them apart. The transform, which `create_loader` sets, is the data set's.

    Args:
        dataset: Map-style, with items (image, label); usually from `timm.data.create_dataset`.
    """

    def with_index(self, item: Any, index: Tensor) -> tuple[Any, np.ndarray]:
        """Return (image, array of label and index)."""
        indexed = super().with_index(item, index)
        if not isinstance(indexed, tuple | list) or len(indexed) != 3:
            raise InputError(
                f"an item of the data set is a {type(item).__name__} of {len(item)} parts; "
                "expected (image, label)"
            )
        image, label, _ = indexed
        return image, np.array([int(label), int(index)], dtype=np.int64)

    @property
    def transform(self) -> Any:
        """The transform of the data set inside."""
        return self.dataset.transform

    @transform.setter
    def transform(self, transform: Any) -> None:
        self.dataset.transform = transform


class ObjectiveTask(ClassificationTask):
    """Train a timm network by an objective of scaat, in timm's training script or one like it.

    The training loader gives pixels (``create_loader(IndexedTargets(dataset), mean=(0, 0, 0),
    std=(1, 1, 1), ...)``) and the task normalises them, so epsilon is in units of pixels. The
    network inside stays timm's: its checkpoints and its evaluation expect normalised images, and
    the loader for evaluation stays as it was.

    The objective's state, its proportions among it, is the checkpoint's ``task_state``. An average
    of the weights (EMA) shares it.

    Args:
        model: A timm network that returns logits, or something that ``adapter`` turns into them.
        objective: The training method, with ``num_samples`` the length of the training set.
        mean: Of each channel, for images in [0, 1], that the network expects: ``mean`` of
            `timm.data.resolve_data_config`. None for a network that takes pixels.
        std: Standard deviation of each channel; None where ``mean`` is.
        adapter: See `scaat.models.find_adapter`; ``"mean"`` is for distilled networks.
        device: Of the objective; timm leaves the model where it is.
        dtype: As for timm's tasks.
        verbose: Log the task's name.

    Raises:
        InputError: ``mean`` and ``std`` don't fit together.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        *,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        adapter: str = "auto",
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(model, objective, device=device, dtype=dtype, verbose=verbose)
        self.objective.to(self.device)
        self.pixels = Pixels(mean, std, adapter).to(self.device)

    @property
    def objective(self) -> Objective:
        """The training method; to timm it is the task's criterion."""
        assert isinstance(self.criterion, Objective)
        return self.criterion

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:  # noqa: A002
        """Return ``loss`` with its graph, ``output``, logits (N, classes), and the terms.

        Args:
            input: Images in [0, 1], shape (N, C, H, W).
            target: Labels and indices from `IndexedTargets`, int64, shape (N, 2).

        Raises:
            InputError: The target has no index, or as `Objective.forward`.
        """
        if target.dim() != 2 or target.shape[1] != 2 or target.dtype != torch.int64:
            raise InputError(
                f"the target is {target.dtype} of shape {tuple(target.shape)}, expected label and "
                "index, int64 (N, 2): wrap the training set in IndexedTargets, without mixup"
            )
        labels, index = target.t().contiguous()
        model = self.pixels.around(self.trainable_module)
        output = self.objective(model, input, labels, index)
        return {"loss": output.loss, "output": output.logits, **output.terms}

    def compile(  # type: ignore[override]  # as timm's does
        self, backend: str = "inductor", mode: str | None = None, **compile_kwargs: Any
    ) -> nn.Module:
        """Compile the network, before `prepare_distributed`; see timm's task."""
        raise_recompile_limit()
        compiled: nn.Module = super().compile(backend, mode, **compile_kwargs)
        return compiled

    def get_task_state(self, module: nn.Module | None = None, ema: bool = False) -> dict[str, Any]:
        """Return the objective's state; none for the averaged weights, which share it."""
        return {} if ema else dict(self.objective.state_dict())

    def load_task_state(
        self,
        state: dict[str, Any] | None,
        strict: bool = True,
        module: nn.Module | None = None,
        ema: bool = False,
    ) -> None:
        """Take the objective's state from a checkpoint; the averaged weights (``ema``) share it.

        Another's state is an `InputError`, and so is none, unless ``strict`` is off.
        """
        if not ema and (strict or state):
            load_state(self.objective, state, "the checkpoint")
