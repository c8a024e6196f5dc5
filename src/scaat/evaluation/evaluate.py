"""Measure one model on one test set: every saliency method by every metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scaat.attribution import Attribution, attributions
from scaat.data.image_set import ImageSet, to_float
from scaat.errors import InputError
from scaat.evaluation.options import EvaluationOptions
from scaat.evaluation.saliency import measure_saliency
from scaat.passes import evaluation_mode
from scaat.statistics import (
    accuracy_interval,
    auc_interval,
    curve_interval,
    mean_interval,
    ratio_interval,
)

Arrays = dict[str, NDArray[Any]]

Progress = Callable[[str, int, int], None]
"""Called with the saliency method at work, the perturbed images done, and their total."""


@dataclass(frozen=True)
class AttributionResult:
    """The measures of one model by one saliency method.

    Attributes:
        metrics: its part of a row of ``results.json``: ``accuracy``, ``auc`` (None unless there
            are two classes), ``entropy``, ``size_kb``, ``gini``, ``aopc_lerf``, ``aopc_morf`` and
            ``aopc_rel``, each with ``value``, ``low``, ``high`` and ``n``; and ``curves``.
        per_image: (n,) arrays: the saliency metrics, and ``index``, the positions of the
            measured images in the test set, ascending.
        example_maps: ``maps`` float32 (k, H, W), ``predicted`` int64 (k,) and ``probability``
            float32 (k,) of the predicted class.
    """

    metrics: dict[str, Any]
    per_image: Arrays
    example_maps: Arrays


@dataclass(frozen=True)
class Evaluation:
    """The measures of one model on one test set.

    Attributes:
        results: by saliency method, in the order of the options.
        examples: ``images`` uint8 (k, C, H, W), ``labels`` int64 (k,) and, where known,
            ``masks`` bool (k, H, W) of the images kept for pictures.
        settings: the options with every default resolved, and the seed.
    """

    results: dict[str, AttributionResult]
    examples: Arrays
    settings: dict[str, Any]


def evaluate(
    model: nn.Module,
    image_set: ImageSet,
    options: EvaluationOptions | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a classifier and its saliency maps.

    Accuracy, and AUC where there are two classes (the second is the positive one), are over all
    images of the set. The saliency metrics explain the predicted class, over a simple random
    sample of ``options.images``: their means estimate those over all. One seed draws the same
    images, random pixels and resamples whatever the model, so models compare on equal terms.

    Args:
        model: maps float images in [0, 1] to logits, on ``device``. It runs in eval mode and is
            left as it was.
        image_set: the test images.
        options: the protocol; the paper's by default.
        seed: of the sample, the random pixels and the bootstrap, non-negative.
        device: where the model is.
        progress: called as the work goes on.

    Raises:
        InputError: there are fewer than two images, an option does not fit them, or the logits
            are not finite or do not fit the classes.
    """
    options = options or EvaluationOptions()
    if len(image_set) < 2:
        raise InputError(f"the test set must hold 2 images or more, found {len(image_set)}")
    device = torch.device(device)
    # On CPUs small batches stay in the cache.
    batch_size = options.batch_size or (64 if device.type == "cpu" else 512)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(image_set)))
    measured = order[: options.images].sort().values
    pictured = order[: options.examples]

    results = {}
    with evaluation_mode(model):
        logits = _logits(model, image_set, batch_size, device)
        performance = _performance(logits, image_set, options, seed)
        counter = _Counter(progress, options, len(measured))
        for name in options.attributions:
            counter.text = name
            values = measure_saliency(
                model,
                attributions[name],
                image_set.images[measured],
                logits[measured].argmax(1),
                measured,
                options,
                seed=seed,
                batch_size=batch_size,
                device=device,
                tick=counter,
            )
            results[name] = AttributionResult(
                metrics=performance | _summary(values, options, seed),
                per_image={k: v for k, v in values.items() if v.ndim == 1}
                | {"index": measured.numpy()},
                example_maps=_example_maps(
                    model, attributions[name], image_set.images[pictured], logits[pictured], device
                ),
            )
    settings = asdict(options) | {"images": len(measured), "batch_size": batch_size, "seed": seed}
    return Evaluation(results, _examples(image_set, pictured), settings)


class _Counter:
    """Adds up the passes of all saliency methods for the caller's progress."""

    def __init__(self, progress: Progress | None, options: EvaluationOptions, images: int) -> None:
        self.progress = progress
        self.text = ""
        self.done = 0
        # Two orders, and the clean image.
        passes = 2 * options.aopc_steps * options.aopc_repeats + 1
        self.total = len(options.attributions) * images * passes

    def __call__(self, images: int) -> None:
        self.done += images
        if self.progress:
            self.progress(self.text, self.done, self.total)


@torch.no_grad()
def _logits(model: nn.Module, image_set: ImageSet, batch_size: int, device: torch.device) -> Tensor:
    """Return the logits (N, classes) of all images, float32 on the CPU."""
    parts = torch.split(image_set.images, batch_size)
    logits = torch.cat([model(to_float(part.to(device))).float() for part in parts]).cpu()
    if logits.shape != (len(image_set), len(image_set.classes)):
        raise InputError(
            f"the model's logits of {len(image_set)} images have shape {tuple(logits.shape)}, "
            f"expected one for each of {len(image_set.classes)} classes"
        )
    bad = (~logits.isfinite()).any(1)
    if bad.any():
        raise InputError(
            f"the model's logits are not finite for {int(bad.sum())} of {len(bad)} test images, "
            f"the first at position {int(bad.nonzero()[0])}"
        )
    return logits


def _performance(
    logits: Tensor, image_set: ImageSet, options: EvaluationOptions, seed: int
) -> dict[str, Any]:
    labels = image_set.labels
    auc = None
    if logits.shape[1] == 2:
        # The difference of logits orders as the probability does, without its saturation.
        scores = (logits[:, 1] - logits[:, 0]).double().numpy()
        auc = auc_interval(scores, (labels == 1).numpy(), seed, options.bootstrap_resamples)
        # A test set of one class has no AUC.
        auc = None if auc["value"] is None else auc
    return {"accuracy": accuracy_interval((logits.argmax(1) == labels).numpy()), "auc": auc}


def _summary(values: Arrays, options: EvaluationOptions, seed: int) -> dict[str, Any]:
    """Return the row's saliency metrics from per-image values."""
    draw = (seed, options.bootstrap_resamples)
    means = ("entropy", "size_kb", "gini", "aopc_lerf", "aopc_morf")
    row = {name: mean_interval(values[name], *draw) for name in means}
    row["aopc_rel"] = ratio_interval(values["aopc_morf"], values["aopc_lerf"], *draw)
    steps = options.aopc_steps
    row["curves"] = {
        "fraction": [k / steps * options.aopc_fraction for k in range(1, steps + 1)],
        "lerf": curve_interval(values["lerf"], *draw),
        "morf": curve_interval(values["morf"], *draw),
    }
    return row


def _example_maps(
    model: nn.Module, attribute: Attribution, images: Tensor, logits: Tensor, device: torch.device
) -> Arrays:
    probability, predicted = logits.softmax(1).max(1)
    maps = attribute(model, to_float(images.to(device)), predicted.to(device))
    return {
        "maps": np.asarray(maps.cpu(), dtype=np.float32),
        "predicted": predicted.numpy(),
        "probability": probability.numpy(),
    }


def _examples(image_set: ImageSet, index: Tensor) -> Arrays:
    examples = {"images": image_set.images[index], "labels": image_set.labels[index]}
    if image_set.masks is not None:
        examples["masks"] = image_set.masks[index]
    return {name: values.numpy() for name, values in examples.items()}
