from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.aopc import perturbation_curve
from scaat.functional.fine_tuned_fidelity import fine_tuned_fidelity
from scaat.functional.insertion_deletion import area_under_curve, insertion_deletion
from scaat.functional.road import road, road_curves
from scaat.metrics import AOPC, ROAD, FineTunedFidelity, InsertionDeletion
from two_processes import in_two_processes

FAITHFULNESS = {
    "aopc": (AOPC, {"steps": 3, "repeats": 2, "baseline": "mean", "seed": 4}, perturbation_curve),
    "insertion-deletion": (
        InsertionDeletion,
        {"steps": 4, "deletion_baseline": "random", "seed": 4},
        insertion_deletion,
    ),
    "road": (ROAD, {"repeats": 2, "seed": 4}, road_curves),
    "f-fidelity": (FineTunedFidelity, {"steps": 3, "draws": 2, "seed": 4}, fine_tuned_fidelity),
}


def images(n: int = 7) -> Tensor:
    return torch.rand(n, 1, 6, 6, generator=torch.Generator().manual_seed(1))


def maps(n: int = 7) -> Tensor:
    return torch.rand(n, 6, 6, generator=torch.Generator().manual_seed(0)) ** 3


def predict(x: Tensor) -> Tensor:
    return torch.stack([3 * x[:, 0, :3].sum((1, 2)), 3 * x[:, 0, 3:].sum((1, 2))], 1)


@pytest.mark.parametrize("name", list(FAITHFULNESS))
@pytest.mark.parametrize("sizes", [[7], [3, 4], [1, 5, 1]])
def test_curves_equal_the_function_whatever_the_batches(name: str, sizes: list[int]) -> None:
    metric_class, settings, function = FAITHFULNESS[name]
    expected = function(predict, images(), maps(), **settings)
    metric = metric_class(**settings)
    for _ in range(2):  # reset starts the count anew
        metric.reset()
        for x, m in zip(images().split(sizes), maps().split(sizes), strict=True):
            metric.update(predict, x, m)
        torch.testing.assert_close(metric.curves(), expected, rtol=0, atol=1e-6)
    for key, values in metric.values().items():
        assert values.shape == (7,)
        torch.testing.assert_close(metric.compute()[key], values.mean())


def test_values_are_areas_and_road() -> None:
    metric = InsertionDeletion(steps=4)
    metric.update(predict, images(), maps())
    curves = insertion_deletion(predict, images(), maps(), steps=4)
    expected = {name: area_under_curve(curve) for name, curve in curves.items()}
    torch.testing.assert_close(metric.values(), expected)
    metric = ROAD()
    metric.update(predict, images(), maps())
    curves = road_curves(predict, images(), maps())
    parts = {"road_lerf": curves["lerf"].mean(1), "road_morf": curves["morf"].mean(1)}
    torch.testing.assert_close(metric.values(), {"road": road(curves), **parts})
    means = metric.compute()
    torch.testing.assert_close(means["road"], (means["road_morf"] - means["road_lerf"]) / 2)


@pytest.mark.parametrize("metric", [InsertionDeletion(), ROAD()])
def test_no_image_is_said_in_one_sentence(metric) -> None:
    with pytest.raises(InputError, match="has seen no saliency map"):
        metric.values()


def _one_of_two(rank: int, folder: Path) -> None:
    part = slice(0, 3) if rank == 0 else slice(3, 7)
    found = {}
    for name, (metric_class, settings, _) in FAITHFULNESS.items():
        metric = metric_class(**settings)
        metric.update(predict, images()[part], maps()[part], image_ids=torch.arange(7)[part])
        found[name] = metric.compute()
        assert all(len(values) == (3, 4)[rank] for values in metric.values().values())
    torch.save(found, folder / f"{rank}.pt")


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    in_two_processes(_one_of_two, tmp_path)
    expected = {}
    for name, (metric_class, settings, _) in FAITHFULNESS.items():
        metric = metric_class(**settings)
        metric.update(predict, images(), maps())
        expected[name] = metric.compute()
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), expected, rtol=0, atol=1e-6)
