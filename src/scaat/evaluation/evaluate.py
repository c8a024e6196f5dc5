"""Measure one model on one test set: every saliency method by every measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from scaat.data.image_set import ImageSet
from scaat.errors import InputError
from scaat.evaluation.context import Arrays, EvaluationContext, exact_convolutions
from scaat.evaluation.datasets import read_dataset
from scaat.evaluation.examples import example_images, example_maps
from scaat.evaluation.measures import measures
from scaat.evaluation.performance import (
    PASSES,
    all_answers,
    all_labels,
    all_logits,
    auc,
    calibration,
    check_label,
    one_label,
    robustness,
)
from scaat.evaluation.processes import ALONE, Processes
from scaat.functional.lattice_source import lattice_source
from scaat.functional.logits import class_logits
from scaat.functional.maps import check_maps
from scaat.options.evaluation import EvaluationOptions
from scaat.passes import evaluation_mode
from scaat.statistics import accuracy_interval

LATTICE_IMAGES = 32
NEED_LABELS = ("robustness", "calibration")

Progress = Callable[[str, int, int], None]
"""Called with the saliency method at work, the passes of images done, and their total."""


@dataclass(frozen=True)
class AttributionResult:
    """The measures of one model by one saliency method.

    Attributes:
        metrics: its part of a row of ``results.json``: ``accuracy``, ``auc`` (None unless there
            are two classes) and the entries of every measure, each number with ``value``,
            ``low``, ``high`` and ``n``; where lattices are measured ``lattice_source``, too.
        per_image: (n,) arrays: the saliency metrics, and ``index``, the measured images' positions
            in the test set, ascending.
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
        answers: of all images of the set, in its order: ``correct`` bool (N,) and for two classes
            ``margin`` float32 (N,), by how much the second class's logit exceeds the first's.
        classes: the name of each class; of several labels those of the one that was measured.
    """

    results: dict[str, AttributionResult]
    examples: Arrays
    settings: dict[str, Any]
    answers: Arrays = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    def name_of(self, data: str) -> str:
        """Return what results call the data: with the label, where one of several was measured."""
        label = self.settings["label"]
        return data if label is None else f"{data}: {label}"


def evaluate(
    model: nn.Module,
    image_set: ImageSet | Dataset[Any],
    options: EvaluationOptions | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    random_label_model: nn.Module | None = None,
    progress: Progress | None = None,
    processes: Processes = ALONE,
) -> Evaluation:
    """Measure a classifier and its saliency maps.

    Accuracy, AUC of two classes (the second is the positive one) and calibration are over all
    images of the set. The saliency metrics explain the predicted class, over a simple random sample
    of ``options.images``, which robustness attacks, too: their means estimate those over all. One
    seed draws the same images, random pixels and resamples whatever the model, so models compare on
    equal terms. With several labels an image ``options.label`` is measured, as two classes by the
    sigmoid of its logit; ``exact_match``, ``macro_auc`` and ``macro_average_precision`` are over
    all labels. Maps are measured as the saliency method gives them, not averaged over regions.

    Args:
        model: maps float images in [0, 1] to logits, on ``device``. It runs in eval mode and is
            left as it was.
        image_set: the test images. With masks or boxes localisation is measured, too. Any other
            map-style data set of (image, label) is read by `read_dataset`. Images without labels
            have neither accuracy nor AUC.
        options: the protocol; the paper's by default.
        seed: of the sample, the random pixels and the bootstrap, non-negative.
        device: where the model is.
        random_label_model: a model of the same kind trained on random labels, on ``device``:
            the maps' rank correlation with its maps is measured, too (Adebayo et al. 2018).
        progress: called after every pass.
        processes: those that call this function with equal arguments and divide its batches; every
            one returns the results of a single process.

    Raises:
        InputError: there are fewer than two images, an option does not fit them or the model, or
            the logits are not finite or do not fit the classes.
    """
    options = options or EvaluationOptions()
    if not isinstance(image_set, ImageSet):
        image_set = read_dataset(image_set, model, torch.device(device))
    for name in NEED_LABELS:
        if name in options.also_measure and not image_set.has_labels:
            raise InputError(f"{name} is to be measured, but the images have no labels")
    if len(image_set) < 2:
        raise InputError(f"the test set must hold 2 images or more, found {len(image_set)}")
    device = torch.device(device)
    # On CPUs small batches stay in the cache.
    batch_size = options.batch_size or (64 if device.type == "cpu" else 512)
    check_label(options.label, image_set)
    draw = {"seed": seed, "resamples": options.bootstrap_resamples}
    of_model: dict[str, Any] = {}
    logits = None
    if image_set.is_multilabel:
        with evaluation_mode(model), exact_convolutions():
            logits = all_logits(model, image_set, batch_size, device, processes)
        of_model = all_labels(logits, image_set.labels, **draw)
        if random_label_model is not None:
            random_label_model, _ = one_label(random_label_model, image_set, options.label, device)
        model, image_set = one_label(model, image_set, options.label, device)
        # The same numbers as the new model's, without another pass over all images.
        logits = class_logits(logits.index_select(1, model.outputs.cpu()))
        options = replace(options, label=image_set.classes[1])
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(image_set)))
    image_ids = order[: options.images].sort().values
    example_ids = order[: options.examples]
    kinds = _kinds(options, image_set, random_label_model)
    attacks = "robustness" in options.also_measure
    passes = len(options.attributions) * (1 + sum(measures[k].passes(options) for k in kinds))
    counter = _Counter(progress)
    context = EvaluationContext(
        model,
        image_set,
        options,
        options.attributions[0],
        seed,
        device,
        batch_size,
        random_label_model,
        counter,
        processes,
    )
    counter.total = sum(map(len, context.parts(image_ids))) * (passes + attacks * PASSES)
    results = {}
    with evaluation_mode(model), exact_convolutions():
        if logits is None:
            logits = all_logits(model, image_set, batch_size, device, processes)
        answers = all_answers(logits, image_set.labels)
        of_model |= {
            "accuracy": accuracy_interval(answers["correct"]) if answers else None,
            "auc": auc(answers, image_set.labels, **draw),
        }
        if "calibration" in options.also_measure:
            of_model |= calibration(logits, image_set.labels, **draw)
        if "lattice" in options.also_measure:
            probes = context.load(image_ids[:LATTICE_IMAGES])
            targets = logits.argmax(1)[probes.image_ids].to(device)
            of_model["lattice_source"] = lattice_source(model, probes.images, targets)._asdict()
        robust: Arrays = {}
        if attacks:
            counter.text = "robustness"
            robust = robustness(context, image_ids)
            of_model |= {key: accuracy_interval(held == 1) for key, held in robust.items()}
        examples = context.load(example_ids)
        for name in options.attributions:
            counter.text = name
            context = replace(context, attribution=name)
            per_image, row = _measure_saliency(context, kinds, image_ids, logits.argmax(1), draw)
            results[name] = AttributionResult(
                {**of_model, **row},
                {"index": image_ids.numpy(), **robust, **per_image},
                example_maps(context, examples, logits[example_ids]),
            )
    settings = asdict(options) | {"images": len(image_ids), "batch_size": batch_size, "seed": seed}
    return Evaluation(results, example_images(examples), settings, answers, image_set.classes)


def _measure_saliency(
    context: EvaluationContext,
    kinds: Sequence[str],
    image_ids: Tensor,
    predicted: Tensor,
    draw: dict[str, int],
) -> tuple[Arrays, dict[str, Any]]:
    """Show the measures of these kinds the maps of the test images at positions (n,).

    ``predicted`` are the classes of all test images, and ``draw`` the seed and resamples of the
    bootstrap. Return the values (n,) by name, and the entries of ``results.json``.
    """
    made = [measures[kind](context) for kind in kinds]
    for part in context.parts(image_ids):
        samples = context.load(part)
        targets = predicted[part].to(context.device)
        maps = samples.explain(context.attribute, context.model, targets)
        check_maps(maps, planar=True)
        for measure in made:
            measure.update(samples, maps, targets)
    per_image: Arrays = {}
    row: dict[str, Any] = {}
    for measure in made:
        for metric in measure.metrics.values():
            context.processes.gather(metric)
        values = {name: np.asarray(array.cpu()) for name, array in measure.values().items()}
        row |= measure.row(values, **draw)
        per_image |= {name: array for name, array in values.items() if array.ndim == 1}
    return per_image, row


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

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.text = ""
        self.done = 0
        self.total = 0

    def __call__(self, images: int) -> None:
        self.done += images
        self.total = max(self.total, self.done)  # repeats added for a tolerance
        if self.progress:
            self.progress(self.text, self.done, self.total)
