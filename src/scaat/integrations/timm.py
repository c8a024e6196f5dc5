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
    takes them apart. Other attributes, such as the transform that `create_loader` sets, are those
    of the data set inside.

    Args:
        dataset: Map-style, with items (image, label); usually from `timm.data.create_dataset`.

    Raises:
        InputError: The data set is iterable only.
    """

    def __getitem__(self, position: int) -> Any:
        """Return (image, array of label and index)."""
        return _paired(super().__getitem__(position))

    def __getitems__(self, positions: Sequence[int]) -> list[Any]:
        """Return several items; a `DataLoader` calls this."""
        return [_paired(item) for item in super().__getitems__(positions)]

    @property
    def transform(self) -> Any:
        """The transform of the data set inside."""
        return self.dataset.transform

    @transform.setter
    def transform(self, transform: Any) -> None:
        self.dataset.transform = transform


def _paired(item: Any) -> tuple[Any, np.ndarray]:
    if not isinstance(item, tuple | list) or len(item) != 3:
        raise InputError(
            f"an item of the data set is a {type(item).__name__} of {len(item) - 1} parts; "
            "expected (image, label)"
        )
    image, label, index = item
    return image, np.array([int(label), int(index)], dtype=np.int64)


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
        """Compute the objective's loss.

        Args:
            input: Images in [0, 1], shape (N, C, H, W).
            target: Labels and indices from `IndexedTargets`, int64, shape (N, 2).

        Returns:
            ``loss`` with its graph, ``output`` the logits (N, classes), and the objective's terms.

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

        Without ``strict`` the checkpoint may have none.

        Raises:
            InputError: The checkpoint holds another objective's state, or none.
        """
        if not ema and (strict or state):
            load_state(self.objective, state, "the checkpoint")
