"""Several labels an image: one is measured as two classes, and all by torchmetrics' numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import (
    multilabel_auroc,
    multilabel_average_precision,
    multilabel_exact_match,
)

from scaat.data.image_set import ImageSet
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions, evaluate

OPTIONS = EvaluationOptions(
    attributions=("gradient",),
    images=6,
    aopc_steps=2,
    aopc_repeats=1,
    bootstrap_resamples=100,
    examples=2,
)


def image_set(n: int = 30) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 2, (n, 3), generator=generator).float()
    return ImageSet(images, labels, ("red", "green", "blue"))


def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(216, 3)).eval()


class TwoClasses(nn.Module):
    """The softmax of absent and present, with the logits (-z/2, z/2) of one label."""

    def __init__(self, model: nn.Module, label: int) -> None:
        super().__init__()
        self.model, self.label = model, label

    def forward(self, images: Tensor) -> Tensor:
        z = self.model(images)[:, self.label : self.label + 1]
        return torch.cat([-z / 2, z / 2], 1)


def leaves(entries: Any) -> list[Any]:
    if isinstance(entries, dict):
        return [leaf for _, value in sorted(entries.items()) for leaf in leaves(value)]
    return (
        [leaf for value in entries for leaf in leaves(value)]
        if isinstance(entries, list)
        else [entries]
    )


def test_a_label_is_measured_as_the_softmax_of_two_classes() -> None:
    images, options = image_set(), replace(OPTIONS, also_measure=("calibration", "robustness"))
    found = evaluate(net(), images, replace(options, label="green"))
    two = ImageSet(images.images, images.labels[:, 1].long(), ("not green", "green"))
    expected = evaluate(TwoClasses(net(), 1), two, options)
    row, wanted = found.results["gradient"].metrics, expected.results["gradient"].metrics
    assert leaves({key: row[key] for key in wanted}) == pytest.approx(leaves(wanted), abs=1e-6)
    assert set(row) - set(wanted) == {"exact_match", "macro_auc", "macro_average_precision"}
    assert found.classes == expected.classes
    assert found.examples["labels"].tolist() == expected.examples["labels"].tolist()


def test_numbers_of_all_labels_are_torchmetrics() -> None:
    images, model = image_set(), net()
    row = evaluate(model, images, OPTIONS).results["gradient"].metrics
    probability = model(images.images.float() / 255).sigmoid()
    for key, metric in (
        ("exact_match", multilabel_exact_match),
        ("macro_auc", multilabel_auroc),
        ("macro_average_precision", multilabel_average_precision),
    ):
        value = float(metric(probability, images.labels.long(), num_labels=3))
        assert row[key]["value"] == pytest.approx(value, abs=1e-6), key
        assert row[key]["low"] <= value <= row[key]["high"]
        assert row[key]["n"] == 30


def test_labels_that_no_image_has_are_left_out() -> None:
    images = image_set()
    kept = images.labels.clone()
    kept[:, 2] = 0
    row = evaluate(net(), replace(images, labels=kept), OPTIONS).results["gradient"].metrics
    probability = net()(images.images.float() / 255).sigmoid()[:, :2]
    value = float(multilabel_auroc(probability, kept[:, :2].long(), num_labels=2))
    assert row["macro_auc"]["value"] == pytest.approx(value, abs=1e-6)
    none = evaluate(net(), replace(images, labels=kept * 0), OPTIONS).results["gradient"].metrics
    assert {"exact_match"} == {"exact_match", "macro_auc", "macro_average_precision"} & set(none)


def test_the_first_label_is_the_default_and_results_name_it() -> None:
    evaluation = evaluate(net(), image_set(), OPTIONS)
    assert evaluation.settings["label"] == "red"
    assert evaluation.name_of("data") == "data: red"


def test_wrong_labels_are_refused_in_one_sentence() -> None:
    images = image_set()
    with pytest.raises(InputError, match="unknown label 'gren'"):
        evaluate(net(), images, replace(OPTIONS, label="gren"))
    with pytest.raises(InputError, match="label is 'red', but the images have one label each"):
        evaluate(net(), images.of_label(0), replace(OPTIONS, label="red"))
    with pytest.raises(InputError, match=r"labels are torch.float32 of shape \(30, 2\)"):
        replace(images, labels=images.labels[:, :2])
    with pytest.raises(InputError, match="labels hold other values, expected 0 or 1"):
        replace(images, labels=images.labels * 2)
