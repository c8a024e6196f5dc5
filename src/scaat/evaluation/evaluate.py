"""Measure one model on one test set: every saliency method by every measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from scaat.attribution import find_attribution
from scaat.data.image_set import ImageSet
from scaat.errors import InputError
from scaat.evaluation.arithmetic import exact_convolutions
from scaat.evaluation.calibration import calibration
from scaat.evaluation.examples import example_images, example_maps
from scaat.evaluation.measures import Subject, measures
from scaat.evaluation.measures.base import Arrays
from scaat.evaluation.performance import all_answers, all_logits, auc
from scaat.evaluation.robustness import PASSES, robustness
from scaat.evaluation.saliency import counted, fast_predict, gradient_batch, measure_saliency
from scaat.options.evaluation import EvaluationOptions
from scaat.passes import evaluation_mode
from scaat.statistics import accuracy_interval

Progress = Callable[[str, int, int], None]
"""Called with the saliency method at work, the passes of images done, and their total."""


@dataclass(frozen=True)
class AttributionResult:
    """The measures of one model by one saliency method.

    Attributes:
        metrics: its part of a row of ``results.json``: ``accuracy``, ``auc`` (None unless there
            are two classes) and the entries of every measure, each number with ``value``,
            ``low``, ``high`` and ``n``.
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
        examples: ``images`` uint8 (k, C, H, W), ``labels`` int64 (k,) and, where the data has
            masks or boxes, ``masks`` bool (k, H, W) of the images kept for pictures.
        settings: the options with every default resolved, and the seed.
        answers: of all images of the set, in its order: ``correct`` bool (N,), whether each is
            classified correctly, and for two classes ``margin`` float32 (N,), by how much the
            second class's logit exceeds the first's. Empty by default; `evaluate` gives them.
    """

    results: dict[str, AttributionResult]
    examples: Arrays
    settings: dict[str, Any]
    answers: Arrays = field(default_factory=dict)


def evaluate(
    model: nn.Module,
    image_set: ImageSet,
    options: EvaluationOptions | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    random_label_model: nn.Module | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a classifier and its saliency maps.

    Accuracy, and AUC where there are two classes (the second is the positive one), are over all
    images of the set; so is calibration where it is asked for. The saliency metrics explain the
    predicted class, over a simple random sample of ``options.images``, which is also what is
    attacked where robustness is asked for: their means estimate those over all. One seed draws
    the same images, random pixels and resamples whatever the model, so models compare on equal
    terms. Maps are measured as the saliency method gives them, not averaged over regions.

    Args:
        model: maps float images in [0, 1] to logits, on ``device``. It runs in eval mode and is
            left as it was.
        image_set: the test images. With masks or boxes localisation is measured, too.
        options: the protocol; the paper's by default.
        seed: of the sample, the random pixels and the bootstrap, non-negative.
        device: where the model is.
        random_label_model: a model of the same kind trained on random labels, on ``device``:
            the maps' rank correlation with its maps is measured, too (Adebayo et al. 2018).
        progress: called as the work goes on.

    Raises:
        InputError: there are fewer than two images, an option does not fit them or the model, or
            the logits are not finite or do not fit the classes.
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
    kinds = _kinds(options, image_set, random_label_model)
    draw = {"seed": seed, "resamples": options.bootstrap_resamples}

    results = {}
    with evaluation_mode(model), exact_convolutions():
        logits = all_logits(model, image_set, batch_size, device)
        answers = all_answers(logits, image_set.labels)
        of_model: dict[str, Any] = {
            "accuracy": accuracy_interval(answers["correct"]),
            "auc": auc(answers, image_set.labels, **draw),
        }
        if "calibration" in options.also_measure:
            of_model |= calibration(logits, image_set.labels, **draw)
        attacks = "robustness" in options.also_measure
        passes = 1 + sum(measures[kind].passes(options) for kind in kinds)
        passes = len(options.attributions) * passes + attacks * PASSES
        counter = _Counter(progress, len(measured) * passes)
        held: Arrays = {}
        if attacks:
            counter.text = "robustness"
            held = robustness(
                model,
                image_set,
                measured,
                seed=seed,
                batch_size=gradient_batch(batch_size),
                device=device,
                tick=counter,
            )
            of_model |= {key: accuracy_interval(values == 1) for key, values in held.items()}
        for name in options.attributions:
            counter.text = name
            attribute = find_attribution(name, layer=options.layer)
            subject = Subject(
                model,
                counted(attribute, counter),
                fast_predict(model, device, options.precision, counter),
                seed,
                batch_size,
                random_label_model,
            )
            made = [measures[kind](subject, options) for kind in kinds]
            found = measure_saliency(
                subject, made, image_set, measured, logits[measured].argmax(1), device
            )
            metrics = dict(of_model)
            per_image = {"index": measured.numpy(), **held}
            for measure, values in zip(made, found, strict=True):
                metrics |= measure.row(values, **draw)
                per_image |= {key: array for key, array in values.items() if array.ndim == 1}
            shown = example_maps(model, attribute, image_set, pictured, logits[pictured], device)
            results[name] = AttributionResult(metrics, per_image, shown)
    settings = asdict(options) | {"images": len(measured), "batch_size": batch_size, "seed": seed}
    return Evaluation(results, example_images(image_set, pictured), settings, answers)


def _kinds(
    options: EvaluationOptions, image_set: ImageSet, random_label_model: nn.Module | None
) -> list[str]:
    """Return the names of the measures to make, in their registry's order."""
    wanted = {"sparsity", "aopc", *options.also_measure}
    if image_set.has_objects:
        wanted.add("localisation")
    if random_label_model is not None:
        wanted.add("random-labels")
    return [name for name in measures if name in wanted]


class _Counter:
    """Adds up the passes of all saliency methods for the caller's progress."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress = progress
        self.text = ""
        self.done = 0
        self.total = total

    def __call__(self, images: int) -> None:
        self.done += images
        self.total = max(self.total, self.done)  # repeats added for a tolerance
        if self.progress:
            self.progress(self.text, self.done, self.total)
