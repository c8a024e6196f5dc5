"""A model that `scaat.training.fit` wrote: measure it, and make rows of results of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scaat.attribution import find_attribution
from scaat.data import DataSplits, ImageSet
from scaat.evaluation.evaluate import Evaluation, Progress, evaluate
from scaat.evaluation.examples import ordered_samples
from scaat.evaluation.performance import one_label
from scaat.evaluation.processes import ALONE, Processes
from scaat.evaluation.results import write_results
from scaat.options.evaluation import EvaluationOptions
from scaat.training import load_trained, read_history
from scaat.training.same_data import check_data, checksum_of


@dataclass(frozen=True)
class Measured:
    """A model that was evaluated, and what its rows of ``results.json`` say of it."""

    evaluation: Evaluation
    identity: dict[str, Any]
    """``data``, ``model``, ``method`` and ``seed``."""
    train_seconds: float | None
    settings: dict[str, Any]
    """How it was trained and measured, JSON values."""
    history: Mapping[str, Any] | None = None
    """Its training curves, where known."""
    ordered: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By saliency method, training samples in the order of their proportion, if there is one."""


def measure_trained(
    folder: Path,
    splits: DataSplits,
    options: EvaluationOptions,
    *,
    title: str,
    config: Mapping[str, Any],
    device: torch.device | str = "cpu",
    images: ImageSet | None = None,
    random_label_model: nn.Module | None = None,
    progress: Progress | None = None,
    processes: Processes = ALONE,
) -> Measured:
    """Evaluate the model that `scaat.training.fit` wrote into ``folder`` on its test images.

    ``images`` may take their place. The results call the method ``title``, and record of the
    training what is in ``config``: its ``training`` options, the method's as ``objective``, and
    ``seed``, which is the evaluation's, too. All else is as for `evaluate`.

    Raises:
        InputError: The folder has no finished run or one on other data, or as for `evaluate`.
    """
    trained = load_trained(folder)
    check_data(folder, checksum_of(splits), splits.name)
    evaluation = evaluate(
        trained.model.to(device),
        splits.test if images is None else images,
        options,
        seed=config["seed"],
        device=device,
        random_label_model=None if random_label_model is None else random_label_model.to(device),
        progress=progress,
        processes=processes,
    )
    ordered = {}
    label = evaluation.settings["label"]
    if trained.proportion is not None:
        model, train = trained.model, splits.train
        if label is not None:
            model, train = one_label(model, train, label, torch.device(device))
        for name in options.attributions:
            if name != "oracle" or train.has_objects:
                method = find_attribution(name, layer=options.layer)
                ordered[name] = ordered_samples(
                    model, method, train, trained.proportion, device=device
                )
    return Measured(
        evaluation,
        identity={
            "data": evaluation.name_of(splits.name),
            "model": config["training"]["model"],
            "method": title,
            "seed": config["seed"],
        },
        train_seconds=trained.summary["train_seconds"],
        settings={
            "objective": config["objective"],
            "training": config["training"],
            "trained": trained.summary,
            "data": splits.settings,
            "evaluation": evaluation.settings,
        },
        history=read_history(folder),
        ordered=ordered,
    )


def write_measured(
    folder: Path,
    measured: Sequence[Measured],
    *,
    settings: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Path:
    """Write models that were measured on the same images as `write_results` does.

    A row's ``cost_ratio`` is its training time over that of the method ``standard``, where that
    is one of them.
    """
    base = next((m.train_seconds for m in measured if m.identity["method"] == "standard"), None)
    rows, per_image, shown = [], [], []
    for model in measured:
        seconds = model.train_seconds
        for name, result in model.evaluation.results.items():
            rows.append(
                {
                    **model.identity,
                    "attribution": name,
                    **result.metrics,
                    "train_seconds": seconds,
                    "cost_ratio": seconds / base if seconds and base else None,
                    "settings": model.settings,
                }
            )
            per_image.append({**result.per_image, **model.evaluation.answers})
            shown.append({**result.example_maps, **model.ordered.get(name, {})})
    return write_results(
        folder,
        rows=rows,
        per_image=per_image,
        examples=measured[0].evaluation.examples,
        example_maps=shown,
        environment=environment,
        classes=measured[0].evaluation.classes,
        settings=settings,
        trainings=[{**m.identity, **m.history} for m in measured if m.history],
    )
