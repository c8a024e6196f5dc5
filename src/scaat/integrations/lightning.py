"""Lightning: an objective inside a module of your own, and saliency measures in its validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, DistributedSampler
from torchmetrics import MeanMetric

from scaat.errors import InputError
from scaat.functional import aopc, class_logits, entropy, gini, perturbation_curve, saliency_map
from scaat.functional.checks import check_images
from scaat.functional.gradients import gradients_enabled
from scaat.functional.saliency import Predict
from scaat.integrations.common import extra
from scaat.models.adapters import find_adapter
from scaat.objectives import Objective, ObjectiveOutput
from scaat.passes import evaluation_mode, search_view

with extra("run", "the adapter for Lightning"):
    import lightning as L

    from scaat.training.batches import real_samples

__all__ = ["ObjectiveMixin", "SaliencyEvaluation"]


class ObjectiveMixin(L.LightningModule):
    """Trains a `LightningModule` of your own by an objective of scaat.

    Name it before ``LightningModule``, make the objective an attribute in ``__init__``
    (``self.objective = SCAAT(num_samples=...)``), and take the loss of `objective_step` in
    ``training_step``. The proportions are then in every checkpoint, as the module's other buffers
    are, and the same in all processes, which is why DDP is set not to broadcast them.
    """

    objective: Objective

    @property
    def _ddp_params_and_buffers_to_ignore(self) -> list[str]:
        return [
            f"{name}.{buffer}"
            for name, module in self.named_modules()
            if isinstance(module, Objective)
            for buffer, _ in module.named_buffers()
        ]

    def objective_step(
        self, model: nn.Module, batch: Sequence[Tensor], batch_idx: int
    ) -> ObjectiveOutput:
        """Return a training batch's loss, clean logits, and terms for ``self.log_dict``.

        Args:
            model: Submodule that maps images in [0, 1] to logits (N, classes), normalisation
                included.
            batch: Images in [0, 1], float (N, C, H, W), labels, int64 (N,), and indices, int64
                (N,); see `scaat.integrations.IndexedDataset`.
            batch_idx: Number of the batch in its epoch.

        Raises:
            InputError: The batch has no index, or as `Objective.forward`.
        """
        if len(batch) != 3:
            raise InputError(
                f"the batch has {len(batch)} parts, expected images, labels and index: wrap the "
                "training set in scaat.integrations.IndexedDataset"
            )
        images, labels, index = batch
        loader = self.trainer.train_dataloader
        counted = real_samples(loader, batch_idx, len(labels), self.device)
        output: ObjectiveOutput = self.objective(model, images, labels, index, counted)
        return output


class SaliencyEvaluation(L.Callback):
    """Logs the sparsity and faithfulness of saliency maps after each validation.

    The maps are vanilla gradients of the predicted class's logit on the first images of the first
    validation loader, always the same ones; with several processes each measures a part of them,
    and the figures are those of one process. Logged are ``val_saliency_entropy`` (bits),
    ``val_saliency_gini``, ``val_aopc_lerf`` and ``val_aopc_morf``; see `scaat.functional`. The
    model keeps its mode, gradients and buffers.

    Args:
        model: Name of the submodule that maps images in [0, 1] to logits; by default the module.
        num_images: Images to measure, at least 1, in all processes together. 64 with the defaults
            below cost 13,000 forward passes of one image.
        images: From a batch to its images, (N, C, H, W), float in [0, 1] or uint8; by default the
            first of a tuple, or a dictionary's ``"pixel_values"``, ``"image"`` or ``"images"``.
        adapter: Turns the model's output into logits; see `scaat.models.find_adapter`.
        steps: Of the perturbation curves; 20 is the paper's protocol, as the next three are.
        fraction: Fraction of the regions that the last step replaces.
        region_size: Side of the regions in pixels.
        repeats: Random replacements of each image.
        batch_size: Perturbed images in a forward pass.

    Raises:
        InputError: ``num_images`` is below 1, or the adapter is unknown.
    """

    def __init__(
        self,
        model: str | None = None,
        num_images: int = 64,
        images: Callable[[Any], Tensor] | None = None,
        adapter: str = "auto",
        steps: int = 20,
        fraction: float = 0.2,
        region_size: int = 1,
        repeats: int = 5,
        batch_size: int = 512,
    ) -> None:
        if num_images < 1:
            raise InputError(f"num_images is {num_images}, expected 1 or more")
        self.model = model
        self.num_images = num_images
        self.images = images or _images
        self.adapter = find_adapter(adapter)
        self.curves: dict[str, Any] = {
            "steps": steps,
            "fraction": fraction,
            "region_size": region_size,
            "repeats": repeats,
            "batch_size": batch_size,
        }
        self.seen = 0
        self.means: dict[str, MeanMetric] = {}

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Reset the means."""
        names = ("val_saliency_entropy", "val_saliency_gini", "val_aopc_lerf", "val_aopc_morf")
        self.seen = 0
        with gradients_enabled():
            self.means = {name: MeanMetric().to(pl_module.device) for name in names}

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure the batch's images, as far as they are among the chosen ones."""
        if trainer.sanity_checking or dataloader_idx != 0:
            return
        with gradients_enabled():
            images = self.images(batch)
            image_ids = self.seen + torch.arange(len(images))
            self.seen += len(images)
            image_ids, mine = _shared(image_ids, trainer, self.num_images)
            if mine.any():
                # A copy: what inference mode made cannot take gradients.
                chosen = images[mine.to(images.device)].clone()
                self._measure(pl_module, chosen, image_ids[mine])

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the means over all processes."""
        if trainer.sanity_checking:
            return
        with gradients_enabled():
            logged = {name: mean.compute() for name, mean in self.means.items()}
        pl_module.log_dict(logged, sync_dist=True)  # equal already; else Lightning warns

    def _measure(self, module: L.LightningModule, images: Tensor, image_ids: Tensor) -> None:
        images = images.float() / 255 if images.dtype == torch.uint8 else images
        check_images(images)
        network = module if self.model is None else module.get_submodule(self.model)
        with evaluation_mode(network):
            predict = self._logits(search_view(network))
            with torch.no_grad():
                labels = predict(images).argmax(1)
            maps = saliency_map(predict, images, labels)
            curves = perturbation_curve(predict, images, maps, image_ids=image_ids, **self.curves)
        measured = (entropy(maps), gini(maps), aopc(curves["lerf"]), aopc(curves["morf"]))
        for mean, values in zip(self.means.values(), measured, strict=True):
            mean.update(values)

    def _logits(self, view: Predict) -> Predict:
        return lambda images: class_logits(self.adapter(view(images)))


def _shared(image_ids: Tensor, trainer: L.Trainer, limit: int) -> tuple[Tensor, Tensor]:
    """Return the positions of a process's images in the data set, and which it is to measure.

    ``image_ids``, int64 (n,), are of the images this process has seen in this epoch; ``limit`` are
    to be measured in all. Where every process sees the whole set, they take turns. Images by which
    a sampler fills the last batch up are left out.
    """
    loaders = trainer.val_dataloaders
    loader = loaders[0] if isinstance(loaders, list) else loaders
    sampler = loader.sampler if isinstance(loader, DataLoader) else None
    if isinstance(sampler, DistributedSampler):
        image_ids = image_ids * sampler.num_replicas + sampler.rank
        limit = min(limit, len(sampler.dataset))  # type: ignore[arg-type]
        return image_ids, image_ids < limit
    return image_ids, (image_ids < limit) & (image_ids % trainer.world_size == trainer.global_rank)


def _images(batch: Any) -> Tensor:
    if isinstance(batch, Mapping):
        names = [name for name in ("pixel_values", "image", "images") if name in batch]
        images = batch[names[0]] if names else None
    else:
        images = batch[0] if isinstance(batch, list | tuple) and batch else None
    if not isinstance(images, Tensor):
        raise InputError(
            f"a validation batch is a {type(batch).__name__} in which no images are found; "
            "expected (images, ...), a dictionary with 'pixel_values', 'image' or 'images', or "
            "the argument images, a function that finds them"
        )
    return images
