"""What is measured beyond sparsity and AOPC, each against the metric or function it stands on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from scaat.attribution import gradient
from scaat.data.image_set import ImageSet
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions, evaluate, ordered_samples
from scaat.evaluation.measures import measures
from scaat.functional import (
    draw_grids,
    lattice_fractions,
    lattice_source,
    perturbation_curve,
    randomised_models,
    sensitivity_n,
    single_deletion,
)
from scaat.metrics import (
    ROAD,
    EnergyInside,
    FineTunedFidelity,
    InsertionDeletion,
    IoUAtArea,
    MaxSensitivity,
    PointingGame,
    RelativeInputStability,
)
from scaat.options.evaluation import OPTIONAL_MEASURES

OPTIONS = EvaluationOptions(
    attributions=("gradient",),
    aopc_steps=4,
    aopc_repeats=2,
    deletion_steps=5,
    stability_perturbations=3,
    randomisation_stages=2,
    bootstrap_resamples=200,
    batch_size=24,
    examples=2,
)


def image_set(n: int = 10, **truth: Tensor) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return ImageSet(images, torch.arange(n) % 2, ("a", "b"), **truth)


def net(seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(6),  # for grids of images; nothing for one image
        nn.Flatten(),
        nn.Linear(216, 2),
    ).eval()


def explained(model: nn.Module, data: ImageSet) -> tuple[Tensor, Tensor, Tensor]:
    images = data.images.float() / 255
    with torch.no_grad():
        predicted = model(images).argmax(1)
    return images, predicted, gradient(model, images, predicted)


def test_masks_add_localisation() -> None:
    masks = torch.rand(10, 8, 8, generator=torch.Generator().manual_seed(2)) > 0.6
    masks[3] = False
    model, data = net(), image_set(masks=masks)
    result = evaluate(model, data, OPTIONS).results["gradient"]
    maps = explained(model, data)[2]
    for name, metric in (
        ("pointing_game", PointingGame()),
        ("energy_inside", EnergyInside()),
        ("iou", IoUAtArea()),
    ):
        metric.update(maps, masks)
        np.testing.assert_allclose(result.per_image[name], metric.values(), atol=1e-6)
        assert np.isnan(result.per_image[name][3])
        assert result.metrics[name]["n"] == 9  # the image without an object says nothing
        assert result.metrics[name]["value"] == pytest.approx(metric.compute().item(), abs=1e-6)
    assert "iou" not in evaluate(model, image_set(), OPTIONS).results["gradient"].metrics


def test_boxes_count_as_masks_of_their_pixels() -> None:
    boxes = torch.tensor([[1.0, 2.0, 5.0, 6.0]]).repeat(10, 1)
    masks = torch.zeros(10, 8, 8, dtype=torch.bool)
    masks[:, 2:6, 1:5] = True
    options = replace(OPTIONS, attributions=("gradient", "oracle"))
    by_box = evaluate(net(), image_set(boxes=boxes), options)
    by_mask = evaluate(net(), image_set(masks=masks), options)
    assert by_box.results["oracle"].metrics["iou"]["value"] == 1
    np.testing.assert_array_equal(by_box.examples["masks"], by_mask.examples["masks"])
    for name, result in by_mask.results.items():
        for key, values in result.per_image.items():
            np.testing.assert_array_equal(by_box.results[name].per_image[key], values)


def test_the_oracle_needs_the_truth() -> None:
    with pytest.raises(InputError, match="oracle"):
        evaluate(net(), image_set(), replace(OPTIONS, attributions=("oracle",)))


def test_insertion_deletion_road_and_fidelity_are_those_of_the_metrics() -> None:
    model, data = net(), image_set()
    options = replace(
        OPTIONS,
        also_measure=("insertion-deletion", "road", "f-fidelity"),
        deletion_baseline="mean",
        deletion_region_size=2,
    )
    result = evaluate(model, data, options, seed=3).results["gradient"]
    images, _, maps = explained(model, data)
    areas = InsertionDeletion(steps=5, deletion_baseline="mean", region_size=2, seed=3)
    road = ROAD(seed=3)
    fidelity = FineTunedFidelity(seed=3)
    expected: dict[str, Tensor] = {}
    for metric in (areas, road, fidelity):
        metric.update(model, images, maps)
        expected |= metric.values()
    for name, values in expected.items():
        np.testing.assert_allclose(result.per_image[name], values, atol=1e-5)
        assert result.metrics[name]["value"] == pytest.approx(values.mean().item(), abs=1e-5)
    curves = result.metrics["insertion_deletion"]
    assert curves["fraction"] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    for name, curve in areas.curves().items():
        np.testing.assert_allclose(curves[name]["value"], curve.mean(0), atol=1e-5)


def test_the_lattice_is_the_one_with_most_saliency_over_all_images() -> None:
    model, data = net(3), image_set(40)
    options = replace(OPTIONS, also_measure=("lattice",), aopc_baseline="blur")
    result = evaluate(model, data, options, seed=3).results["gradient"]
    images, _, maps = explained(model, data)
    fractions = lattice_fractions(maps)
    most = max(range(4), key=lambda lattice: fractions[:, lattice].mean().item())
    np.testing.assert_allclose(result.per_image["lattice_fraction"], fractions[:, most], atol=1e-6)
    curves = perturbation_curve(
        model, images, maps, steps=4, region_size=2, baseline="blur", seed=3
    )
    areas = {order: curve.mean(1) for order, curve in curves.items()}
    for order, area in areas.items():
        np.testing.assert_allclose(result.per_image[f"blocks_{order}"], area, atol=1e-5)
    expected = lattice_source(model, images, model(images).argmax(1))  # of all methods alike
    assert result.metrics["lattice_source"] == expected._asdict()
    ratio = areas["morf"].mean() / areas["lerf"].mean()
    assert 1 / result.metrics["blocks_rel"]["value"] == pytest.approx(1 / ratio.item(), rel=1e-3)


def test_a_lattice_needs_two_rows() -> None:
    data = image_set()
    line = ImageSet(data.images[:, :, :1], data.labels, data.classes)
    model = nn.Sequential(nn.Flatten(), nn.Linear(24, 2)).eval()
    options = replace(OPTIONS, also_measure=("lattice",))
    with pytest.raises(InputError, match=r"of 2 x 2 pixels or more; found shape \(10, 3, 1, 8"):
        evaluate(model, line, options)


def test_stability_is_that_of_the_metrics() -> None:
    model, data = net(), image_set()
    options = replace(OPTIONS, also_measure=("stability",), stability_radius=0.1)
    result = evaluate(model, data, options, seed=3).results["gradient"]
    images, predicted, _ = explained(model, data)

    def explain(inputs: Tensor, position: Tensor) -> Tensor:
        return gradient(model, inputs, predicted[position])

    settings = {"perturbations": 3, "radius": 0.1, "seed": 3}
    largest, relative = MaxSensitivity(**settings), RelativeInputStability(**settings)
    largest.update(explain, images)
    relative.update(model, explain, images)
    for name, metric in (("max_sensitivity", largest), ("relative_input_stability", relative)):
        np.testing.assert_allclose(result.per_image[name], metric.values(), rtol=1e-4)
        assert result.metrics[name]["value"] > 0


def test_randomisation_correlates_with_the_randomised_models() -> None:
    model, data = net(), image_set()
    options = replace(OPTIONS, also_measure=("randomisation",))
    result = evaluate(model, data, options, seed=3).results["gradient"]
    images, predicted, maps = explained(model, data)
    means = []
    for _, other in randomised_models(model, 3, 2):
        theirs = gradient(other, images, predicted)
        pairs = zip(maps.flatten(1), theirs.flatten(1), strict=True)
        values = [spearmanr(a, b).statistic for a, b in pairs]
        means.append(np.mean(values))
    np.testing.assert_allclose(result.per_image["randomisation_correlation"], values, atol=1e-5)
    assert result.metrics["randomisation"]["layers"] == ["5", "0"]  # of three
    np.testing.assert_allclose(
        result.metrics["randomisation"]["correlation"]["value"], means, atol=1e-5
    )


def test_random_labels_correlate_with_the_other_models_maps_for_the_same_classes() -> None:
    model, other, data = net(), net(5), image_set()
    result = evaluate(model, data, OPTIONS, random_label_model=other).results["gradient"]
    images, predicted, maps = explained(model, data)
    theirs = gradient(other, images, predicted)
    expected = [
        spearmanr(a, b).statistic for a, b in zip(maps.flatten(1), theirs.flatten(1), strict=True)
    ]
    np.testing.assert_allclose(result.per_image["random_label_correlation"], expected, atol=1e-5)


def test_a_tolerance_spends_repeats_of_one_stream() -> None:
    model, data = net(), image_set()
    options = replace(OPTIONS, aopc_tolerance=1e-9, aopc_max_repeats=7)
    result = evaluate(model, data, options, seed=3).results["gradient"]
    images, _, maps = explained(model, data)
    spent = result.metrics["aopc_adaptive"]
    assert spent == {"repeats": 6, "stopped": "the limit of repeats is reached"}
    curves = perturbation_curve(model, images, maps, steps=4, repeats=6, seed=3)
    for order, curve in curves.items():
        values = result.per_image[f"aopc_{order}"]
        np.testing.assert_allclose(values, curve.mean(1), atol=1e-6)
        found = result.metrics["curves"][order]["value"]
        np.testing.assert_allclose(found, curve.mean(0), atol=1e-6)
    generous = evaluate(model, data, replace(options, aopc_tolerance=1.0), seed=3)
    spent = generous.results["gradient"].metrics["aopc_adaptive"]
    assert spent == {"repeats": 2, "stopped": "the intervals are narrow enough"}
    assert "aopc_adaptive" not in evaluate(model, data, OPTIONS).results["gradient"].metrics


def test_deletion_and_sensitivity_are_those_of_the_metrics() -> None:
    model, data = net(), image_set()
    options = replace(OPTIONS, also_measure=("single-deletion", "sensitivity-n"))
    result = evaluate(model, data, options, seed=3).results["gradient"]
    images, predicted, maps = explained(model, data)
    expected = {
        "single_deletion": single_deletion(model, images, maps, predicted),
        "sensitivity_n": sensitivity_n(model, images, maps, predicted, seed=3),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(result.per_image[name], values, atol=1e-5)
        assert result.metrics[name]["value"] == pytest.approx(values.mean().item(), abs=1e-5)


def test_the_grid_pointing_game_explains_grids_of_the_correctly_classified_images() -> None:
    model, data = net(), image_set(12)
    options = replace(OPTIONS, attributions=("gradient", "oracle"))
    options = replace(options, also_measure=("grid-pointing-game",))
    data = replace(data, masks=torch.ones(12, 8, 8, dtype=torch.bool))
    results = evaluate(model, data, options, seed=3).results
    images, predicted, _ = explained(model, data)
    members, cells = draw_grids(data.labels, torch.arange(12), seed=3)
    for i in range(12):
        rows = [torch.cat([images[j] for j in members[i, k : k + 2]], 2) for k in (0, 2)]
        found = gradient(model, torch.cat(rows, 1).unsqueeze(0), predicted[i : i + 1])[0]
        row, column = divmod(int(cells[i]), 2)
        inside = found[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        expected = (inside.sum() / found.sum()).item()
        value = results["gradient"].per_image["grid_pointing_game"][i]
        right = bool(predicted[i] == data.labels[i])
        assert value == pytest.approx(expected, abs=1e-5) if right else np.isnan(value)
    assert results["oracle"].metrics["grid_pointing_game"]["value"] == 1


def test_the_grid_pointing_game_needs_a_model_for_other_sizes() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2)).eval()
    options = replace(OPTIONS, also_measure=("grid-pointing-game",))
    with pytest.raises(InputError, match="a model that takes images of 16 x 16 pixels"):
        evaluate(model, image_set(), options)
    data = replace(image_set(), labels=torch.full((10,), -1))
    with pytest.raises(InputError, match="'grid-pointing-game' needs labelled images"):
        evaluate(net(), data, options)


def test_all_measures_at_once_are_aligned_and_strict_json() -> None:
    data = image_set(masks=torch.ones(10, 8, 8, dtype=torch.bool))
    options = replace(OPTIONS, also_measure=OPTIONAL_MEASURES)
    seen: list[tuple[str, int, int]] = []
    evaluation = evaluate(
        net(), data, options, random_label_model=net(2), progress=lambda *step: seen.append(step)
    )
    result = evaluation.results["gradient"]
    json.dumps(result.metrics, allow_nan=False)
    assert {array.shape for array in result.per_image.values()} == {(10,)}
    assert set(result.metrics) > {
        *("hoyer", "iou", "road", "insertion", "max_sensitivity"),
        *("randomisation_correlation", "random_label_correlation"),
        *("robust_accuracy_2", "robust_accuracy_8", "calibration_error", "mean_confidence"),
    }
    passes = 1 + 40 + sum(measures[name].passes(options) for name in measures)
    assert seen[-1] == ("gradient", 10 * passes, 10 * passes)


def test_samples_are_ordered_by_their_proportion() -> None:
    model, data = net(), image_set(30)
    proportion = torch.rand(30, generator=torch.Generator().manual_seed(3))
    found = ordered_samples(model, gradient, data, proportion, count=4)
    index = found["ordered_index"]
    np.testing.assert_array_equal(index, proportion.argsort()[[0, 10, 19, 29]])
    np.testing.assert_array_equal(found["ordered_proportion"], proportion[index])
    np.testing.assert_array_equal(found["ordered_images"], data.images[index])
    images = data.images[index].float() / 255
    expected = gradient(model, images, data.labels[index])  # the true class, as in training
    np.testing.assert_allclose(found["ordered_maps"], expected, atol=1e-6)
    few = ordered_samples(model, gradient, image_set(3), proportion[:3])
    assert len(few["ordered_index"]) == 3
