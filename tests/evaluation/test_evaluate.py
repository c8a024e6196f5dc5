from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from scaat.attribution import gradient
from scaat.data.image_set import ImageSet
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions, evaluate
from scaat.functional import compressed_size, entropy, gini, perturbation_curve

OPTIONS = EvaluationOptions(
    attributions=("gradient", "integrated-gradients"),
    aopc_steps=4,
    aopc_repeats=2,
    bootstrap_resamples=200,
    examples=3,
)


def image_set(n: int = 12, classes: int = 2, masks: bool = False) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return ImageSet(
        images,
        torch.arange(n) % classes,
        tuple("abc"[:classes]),
        masks=images[:, 0] > 128 if masks else None,
    )


def net(classes: int = 2) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.AdaptiveAvgPool2d(6),  # for grids of images; nothing for one image
        nn.Flatten(),
        nn.Linear(216, classes),
    )


def test_a_row_holds_what_the_functions_find() -> None:
    model, data = net().eval(), image_set()
    evaluation = evaluate(model, data, OPTIONS, seed=3)
    result = evaluation.results["gradient"]
    images = data.images.float() / 255
    with torch.no_grad():
        logits = model(images)
    predicted = logits.argmax(1)
    maps = gradient(model, images, predicted)
    curves = perturbation_curve(model, images, maps, steps=4, repeats=2, seed=3)
    expected = {
        "entropy": entropy(maps),
        "gini": gini(maps),
        "size_kb": compressed_size(maps),
        "aopc_lerf": curves["lerf"].mean(1),
        "aopc_morf": curves["morf"].mean(1),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(result.per_image[name], values, atol=1e-6)
        assert result.metrics[name]["value"] == pytest.approx(values.mean().item(), abs=1e-6)
        assert result.metrics[name]["n"] == 12
        assert result.metrics[name]["low"] <= values.mean() <= result.metrics[name]["high"]
    rel = (expected["aopc_morf"].mean() / expected["aopc_lerf"].mean()).item()
    assert result.metrics["aopc_rel"]["value"] == pytest.approx(rel, rel=1e-3)
    assert result.metrics["curves"]["fraction"] == pytest.approx([0.05, 0.1, 0.15, 0.2])
    for order in ("lerf", "morf"):
        curve = result.metrics["curves"][order]["value"]
        np.testing.assert_allclose(curve, curves[order].mean(0), atol=1e-6)
    correct = predicted == data.labels
    assert 0 < correct.sum() < len(correct)
    np.testing.assert_array_equal(evaluation.answers["correct"], correct)
    margin = (logits[:, 1] - logits[:, 0]).numpy()
    np.testing.assert_allclose(evaluation.answers["margin"], margin, atol=1e-5)
    assert result.metrics["accuracy"]["value"] == pytest.approx(correct.float().mean().item())
    auc = roc_auc_score(data.labels, (logits[:, 1] - logits[:, 0]))
    assert result.metrics["auc"]["value"] == pytest.approx(auc)


def test_rows_have_the_keys_of_results_json_and_are_strict_json() -> None:
    evaluation = evaluate(net(), image_set(), OPTIONS)
    assert list(evaluation.results) == ["gradient", "integrated-gradients"]
    for result in evaluation.results.values():
        assert set(result.metrics) == {
            "accuracy",
            "auc",
            "entropy",
            "size_kb",
            "gini",
            "hoyer",
            "aopc_lerf",
            "aopc_morf",
            "aopc_rel",
            "curves",
        }
        json.dumps(result.metrics, allow_nan=False)
        assert all(a.shape == (12,) for a in result.per_image.values())
    settings = json.loads(json.dumps(evaluation.settings))
    assert settings["batch_size"] == 64
    assert settings["images"] == 12
    assert set(settings) == {f.name for f in fields(OPTIONS)} | {"seed"}


def test_a_subset_is_seeded_and_keeps_each_images_numbers() -> None:
    model, data = net(), image_set(40)
    whole = evaluate(model, data, OPTIONS).results["gradient"]
    evaluation = evaluate(model, data, replace(OPTIONS, images=9))
    part = evaluation.results["gradient"]
    index = part.per_image["index"]
    assert len(set(index.tolist())) == 9
    assert index.tolist() != list(range(9))
    for name in ("gini", "aopc_lerf", "aopc_morf"):  # the same random pixels
        np.testing.assert_allclose(part.per_image[name], whole.per_image[name][index], atol=1e-6)
    assert part.metrics["accuracy"]["n"] == len(evaluation.answers["correct"]) == 40
    assert part.metrics["gini"]["n"] == 9
    other = evaluate(model, data, replace(OPTIONS, images=9), seed=1).results["gradient"]
    assert other.per_image["index"].tolist() != index.tolist()


def test_batch_size_changes_nothing() -> None:
    model, data = net(), image_set()
    expected = evaluate(model, data, OPTIONS)
    found = evaluate(model, data, replace(OPTIONS, batch_size=5))
    for name, result in expected.results.items():
        for key, values in result.per_image.items():
            np.testing.assert_allclose(found.results[name].per_image[key], values, atol=1e-6)


def test_examples_come_with_their_maps() -> None:
    model, data = net().eval(), image_set(masks=True)
    evaluation = evaluate(model, data, OPTIONS)
    examples, shown = evaluation.examples, evaluation.results["gradient"].example_maps
    assert examples["images"].shape == (3, 3, 8, 8)
    assert examples["images"].dtype == np.uint8
    assert examples["masks"].shape == (3, 8, 8)
    images = torch.from_numpy(examples["images"]).float() / 255
    with torch.no_grad():
        probability, predicted = model(images).softmax(1).max(1)
    np.testing.assert_allclose(shown["probability"], probability, atol=1e-6)
    np.testing.assert_array_equal(shown["predicted"], predicted)
    np.testing.assert_allclose(shown["maps"], gradient(model, images, predicted), atol=1e-6)
    assert "masks" not in evaluate(model, image_set(), OPTIONS).examples


def test_auc_is_for_two_classes() -> None:
    assert (
        evaluate(net(3), image_set(classes=3), OPTIONS).results["gradient"].metrics["auc"] is None
    )


def test_leaves_the_model_and_the_random_state_as_they_were() -> None:
    model = net().train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    random = torch.get_rng_state()
    evaluate(model, image_set(), OPTIONS)
    assert all(m.training for m in model.modules())
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_progress_ends_at_its_total() -> None:
    seen: list[tuple[str, int, int]] = []
    evaluate(net(), image_set(), OPTIONS, progress=lambda *step: seen.append(step))
    assert next(text for text, _, _ in seen) == "gradient"
    done = [count for _, count, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == ("integrated-gradients", 2 * 12 * (1 + 2 * 4 * 2 + 1), done[-1])


def test_bfloat16_is_close_and_recorded() -> None:
    model, data = net(), image_set()
    exact = evaluate(model, data, OPTIONS).results["gradient"].per_image
    evaluation = evaluate(model, data, replace(OPTIONS, precision="bfloat16"))
    rounded = evaluation.results["gradient"].per_image
    assert evaluation.settings["precision"] == "bfloat16"
    np.testing.assert_array_equal(rounded["gini"], exact["gini"])  # maps stay float32
    np.testing.assert_allclose(rounded["aopc_morf"], exact["aopc_morf"], atol=0.02)
    assert np.abs(rounded["aopc_morf"] - exact["aopc_morf"]).max() > 1e-6


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x.sum((1, 2, 3)), x.mean((1, 2, 3)) / 0], 1)


@pytest.mark.parametrize(
    ("model", "data", "sentence"),
    [
        (net(3), image_set(), r"have shape \(12, 3\), expected one for each of 2 classes"),
        (Broken(), image_set(), "not finite for 12 of 12 test images, the first at position 0"),
        (net(), image_set(1), "must hold 2 images or more, found 1"),
    ],
)
def test_refuses_models_and_sets(model: nn.Module, data: ImageSet, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        evaluate(model, data, OPTIONS)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"attributions": ("gradiant",)}, "unknown attribution 'gradiant'"),
        ({"attributions": ()}, "no attribution is named"),
        ({"precision": "bf16"}, "unknown precision 'bf16'"),
        ({"images": 1}, "images is 1, expected 2 or more"),
        ({"batch_size": 0}, "batch_size is 0, expected 1 or more"),
        ({"examples": 0}, "examples is 0, expected 1 or more"),
        ({"aopc_fraction": 1.5}, r"must be in \(0, 1\], found 1.5"),
        ({"aopc_repeats": 0}, "repeats of the perturbation curve must be 1 or more"),
        ({"size_codec": "jpg"}, "did you mean 'jpeg'"),
        ({"size_quality": 90}, "takes no quality"),
        ({"also_measure": ("stabilty",)}, "unknown measure 'stabilty'"),
        ({"aopc_baseline": "noise"}, "unknown baseline 'noise'"),
        ({"insertion_baseline": "noisy-linear"}, "can't use the baseline 'noisy-linear'"),
        ({"aopc_tolerance": 0.0}, "aopc_tolerance is 0.0, expected above 0"),
        ({"aopc_max_repeats": 1}, "aopc_max_repeats is 1, expected aopc_repeats, 2, or more"),
        ({"stability_radius": -1.0}, "stability_radius is -1.0, expected above 0"),
        ({"randomisation_stages": 0}, "randomisation_stages is 0, expected 1 or more"),
        ({"bootstrap_resamples": 10}, "bootstrap_resamples is 10, expected 100 or more"),
    ],
)
def test_options_refuse(change: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        replace(OPTIONS, **change)


def test_every_option_has_a_help_text() -> None:
    assert all(f.metadata["help"] for f in fields(EvaluationOptions))


class TwoColumns(nn.Module):
    """The two-class head (before * z, after * z) over a model of one logit z."""

    def __init__(self, model: nn.Module, before: float, after: float) -> None:
        super().__init__()
        self.model = model
        self.weights = before, after

    def forward(self, images: Tensor) -> Tensor:
        z: Tensor = self.model(images)
        return torch.cat([each * z for each in self.weights], 1)


def test_one_logit_is_evaluated_as_a_softmax_of_two() -> None:
    """Answers, maps and curves; for (0, z) the images of class 1, as class 0 has no map there."""
    model, data = net(1), image_set(24)
    options = replace(OPTIONS, also_measure=("robustness", "calibration", "stability"))
    one = evaluate(model, data, options)
    same = evaluate(TwoColumns(model, -0.5, 0.5), data, options)
    zero_first = evaluate(TwoColumns(model, 0.0, 1.0), data, options)
    for name, result in one.results.items():
        for key, values in same.results[name].per_image.items():
            np.testing.assert_allclose(result.per_image[key], values, rtol=1e-5, atol=1e-6)
    assert json.dumps(one.results["gradient"].metrics) == json.dumps(
        same.results["gradient"].metrics
    )
    for key, values in zero_first.answers.items():
        np.testing.assert_allclose(one.answers[key], values, atol=1e-6)
    z = model.eval()(data.images.float() / 255)[:, 0].detach()
    positive = (z > 0).numpy()
    assert 0 < positive.sum() < 24
    np.testing.assert_allclose(one.answers["margin"], z, atol=1e-6)
    for name in ("aopc_lerf", "aopc_morf", "gini", "entropy"):
        found, expected = (
            e.results["gradient"].per_image[name][positive] for e in (one, zero_first)
        )
        np.testing.assert_allclose(found, expected, atol=1e-6)
    metrics = one.results["gradient"].metrics
    auc = roc_auc_score(data.labels, z.sigmoid())
    assert metrics["auc"]["value"] == pytest.approx(auc)
    correct = (z > 0).long() == data.labels
    assert metrics["accuracy"]["value"] == pytest.approx(correct.float().mean().item())


def test_one_logit_for_three_classes_is_one_sentence() -> None:
    message = r"12 images have shape \(12, 1\), expected one for each of 3 classes"
    with pytest.raises(InputError, match=message):
        evaluate(net(1), image_set(classes=3), OPTIONS)
