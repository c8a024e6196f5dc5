"""Hugging Face: a `transformers.Trainer` that trains by an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.integrations.common import INDEX, IndexedDataset, Pixels, extra, load_state
from scaat.objectives import Objective

with extra("hugging-face", "the adapter for the Hugging Face Trainer"):
    from transformers import Trainer
    from transformers.trainer_utils import get_last_checkpoint

__all__ = ["ObjectiveTrainer"]

STATE = "objective.pt"
"""File of a checkpoint that holds the objective's state."""


class ObjectiveTrainer(Trainer):
    """Train an image classifier of transformers' by an objective of scaat.

    The training set's items are dictionaries with ``pixel_values``, in [0, 1] (``do_normalize`` off
    in the image processor), and ``labels``. The trainer adds each item's index, carries it through
    the collator, and normalises the pixels before the network, so epsilon is in units of pixels.
    The network stays as it is: evaluation and prediction are transformers' own, on normalised
    images, and what is saved is read by ``from_pretrained``.

    Each checkpoint holds the objective's state in ``objective.pt``, its proportions among it, and
    ``train(resume_from_checkpoint=...)`` takes it up again.

    Args:
        *args: As for `transformers.Trainer`.
        objective: The training method, with ``num_samples`` the length of the training set.
        mean: Of each channel, for images in [0, 1], that the network expects (``image_mean`` of its
            image processor). None for a network that takes pixels.
        std: Standard deviation of each channel (``image_std``); None where ``mean`` is.
        adapter: Turns the network's output into logits; see `scaat.models.find_adapter`.
        **kwargs: As for `transformers.Trainer`.

    Raises:
        InputError: The training set is iterable only or longer than ``num_samples``; an argument
            asks for another loss, or to split weights or batch over several GPUs of one process; or
            ``mean`` and ``std`` don't fit together.
    """

    objective: Objective
    _signature_columns: Any  # names, once the base class has looked

    def __init__(
        self,
        *args: Any,
        objective: Objective,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        adapter: str = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if self.compute_loss_func is not None:
            raise InputError("compute_loss_func is given, but the loss is the objective's")
        if self.args.label_smoothing_factor:
            raise InputError(
                f"label_smoothing_factor is {self.args.label_smoothing_factor}; expected it as "
                "label_smoothing of the objective"
            )
        if self.is_deepspeed_enabled or self.is_fsdp_enabled or self.args.n_gpu > 1:
            raise InputError(
                "the objective needs the whole network and batch in each process; expected one GPU "
                "a process (torchrun --nproc-per-node GPUS), without DeepSpeed and FSDP"
            )
        self.objective = objective.to(self.args.device)
        self.pixels = Pixels(mean, std, adapter).to(self.args.device)
        if self.train_dataset is not None:
            self.train_dataset = IndexedDataset(self.train_dataset)
            samples, proportion = len(self.train_dataset), getattr(objective, "proportion", None)
            if isinstance(proportion, Tensor) and len(proportion) < samples:
                raise InputError(
                    f"num_samples of the objective is {len(proportion)}, expected the training "
                    f"set's {samples}"
                )
        self.data_collator = KeepIndex(self.data_collator)
        # Trainer then counts the samples of a whole step and leaves its mean to `compute_loss`.
        self._network_accepts_loss_kwargs = self.model_accepts_loss_kwargs
        self.model_accepts_loss_kwargs = True
        self._terms: dict[str, tuple[Tensor | float, int]] = {}

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the objective's loss in training, and the network's own in evaluation.

        With ``return_outputs`` (loss, output). ``num_items_in_batch`` are the samples in all
        batches of the optimiser's step: the loss becomes this batch's part of the mean over them.
        """
        inputs = dict(inputs)
        index = inputs.pop(INDEX, None)
        if not model.training:
            items = num_items_in_batch if self._network_accepts_loss_kwargs else None
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch=items)
        if index is None or not {"pixel_values", "labels"} <= inputs.keys():
            raise InputError(
                f"a training batch holds {', '.join(map(repr, [*inputs]))}; expected "
                f"'pixel_values', 'labels' and {INDEX!r}"
            )
        labels = inputs["labels"]
        output = self.objective(
            self._classifier(model),
            inputs["pixel_values"],
            labels,
            index,
            self._counted(len(labels)),
        )
        for name, value in output.terms.items():
            total, count = self._terms.get(name, (0.0, 0))
            self._terms[name] = total + value, count + 1
        loss = output.loss
        if num_items_in_batch is not None:
            loss = loss * (len(labels) / num_items_in_batch)
            if self.args.average_tokens_across_devices:  # they are counted over all processes
                loss = loss * self.accelerator.num_processes
        return (loss, {"loss": loss, "logits": output.logits}) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log, beside the loss, the means of the objective's terms since the last time.

        Each is that over the batches that have it.
        """
        if "loss" in logs:
            means = {name: float(total / count) for name, (total, count) in self._terms.items()}
            logs = {**logs, **means}
            self._terms = {}
        super().log(logs, *args, **kwargs)

    def train(
        self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Train, or resume from a checkpoint, as `transformers.Trainer.train`.

        One that holds another objective's state, or none, is an `InputError`.
        """
        folder = resume_from_checkpoint
        if folder is True:
            folder = get_last_checkpoint(self.args.output_dir)  # type: ignore[no-untyped-call]
        if folder:
            path = Path(folder) / STATE
            state = torch.load(path, weights_only=True) if path.is_file() else None
            load_state(self.objective, state, f"checkpoint {str(folder)!r}")
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the network and, in a checkpoint, the objective's state."""
        super().save_model(output_dir, _internal_call)
        if _internal_call and output_dir is not None and self.args.should_save:
            torch.save(self.objective.state_dict(), Path(output_dir) / STATE)

    def _set_signature_columns_if_needed(self) -> None:
        """Keep the index where ``remove_unused_columns`` drops what the network doesn't take."""
        super()._set_signature_columns_if_needed()
        if INDEX not in self._signature_columns:
            self._signature_columns.append(INDEX)

    def _classifier(self, model: nn.Module) -> nn.Module:
        classifier = self.pixels.around(model)
        if self.accelerator.mixed_precision != "fp16":
            return classifier
        return nn.Sequential(classifier, _Half())

    def _counted(self, size: int) -> Tensor | None:
        """Tell the samples by which accelerate fills the last batches of several processes up."""
        state, processes = self.accelerator.gradient_state, self.accelerator.num_processes
        # The batches of a step are fetched together, so that the first know of the end, too.
        last = state.end_of_dataloader and state.sync_gradients
        if processes == 1 or not last or self.args.dataloader_drop_last:
            return None
        each = self._train_batch_size // (processes if self.accelerator.split_batches else 1)
        assert isinstance(self.train_dataset, IndexedDataset)
        left = len(self.train_dataset) % (each * processes)
        first = self.accelerator.process_index * each
        places = torch.arange(first, first + size, device=self.args.device)
        return places < left if left else None


class KeepIndex:
    """A collator that carries the index past another one, which need not know of it."""

    def __init__(self, collate: Callable[[list[Any]], dict[str, Any]]) -> None:
        self.collate = collate

    def __call__(self, features: list[Any]) -> dict[str, Any]:
        """Return the batch, with the items' indices, int64 (N,), where they have any."""
        if not (isinstance(features[0], Mapping) and INDEX in features[0]):
            return self.collate(features)
        index = torch.stack([feature[INDEX] for feature in features])
        rest = [{k: value for k, value in each.items() if k != INDEX} for each in features]
        return {**self.collate(rest), INDEX: index}


class _Half(nn.Module):
    """Logits in float16 again, which accelerate has raised to float32.

    By their type the objective knows that small gradients vanish on the way back, and scales them.
    """

    def forward(self, logits: Tensor) -> Tensor:
        return logits.half()
