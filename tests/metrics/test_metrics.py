from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

import scaat.metrics
from scaat.declarations import MODEL, declarations
from scaat.errors import InputError
from scaat.functional.aopc import perturbation_curve
from scaat.functional.grid import grid_pointing_game
from scaat.functional.lattice import lattice_fractions
from scaat.functional.localisation import energy_inside, iou_at_area, pointing_game
from scaat.functional.sensitivity_n import sensitivity_n
from scaat.functional.single_deletion import single_deletion
from scaat.functional.sparsity import compressed_size, entropy, gini, hoyer
from scaat.functional.spearman import spearman
from scaat.functional.stability import max_sensitivity, relative_input_stability
from scaat.metrics import (
    AOPC,
    CompressedSize,
    EnergyInside,
    GiniIndex,
    GridPointingGame,
    Hoyer,
    IoUAtArea,
    LatticeFraction,
    MapCorrelation,
    MaxSensitivity,
    PerImageMetric,
    PointingGame,
    RelativeInputStability,
    SaliencyEntropy,
    SaliencyMetric,
    SensitivityN,
    SingleDeletion,
)
from two_processes import in_two_processes

AOPC_SETTINGS = {"steps": 3, "repeats": 2, "fraction": 0.5, "seed": 4}


STABILITY = {"perturbations": 2, "radius": 0.2, "seed": 5}


def maps(n: int = 7) -> Tensor:
    return torch.rand(n, 6, 6, generator=torch.Generator().manual_seed(0)) ** 3


def images(n: int = 7) -> Tensor:
    return torch.rand(n, 1, 6, 6, generator=torch.Generator().manual_seed(1))


def predict(x: Tensor) -> Tensor:
    return torch.stack([3 * x[:, 0, :3].sum((1, 2)), 3 * x[:, 0, 3:].sum((1, 2))], 1)


def masks(n: int = 7) -> Tensor:
    """Masks of all sizes; the third is empty, so that some measures have no value there."""
    found = torch.rand(n, 6, 6, generator=torch.Generator().manual_seed(2)) < 0.4
    found[2] = False
    return found


def explain(x: Tensor, _: Tensor) -> Tensor:
    return x[:, 0].square()


class Case(NamedTuple):
    """A metric, what its update takes for a part of the images, and the function it is over."""

    metric: type[PerImageMetric]
    settings: dict[str, Any]
    function: Callable[..., Tensor]
    inputs: Callable[[slice, torch.dtype], tuple[Any, ...]]


def of_maps(part: slice, dtype: torch.dtype) -> tuple[Tensor]:
    return (maps().to(dtype)[part],)


def of_masks(part: slice, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return maps().to(dtype)[part], masks()[part]


def of_pairs(part: slice, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return maps().to(dtype)[part], (maps() * masks()).to(dtype)[part]


def of_images(part: slice, dtype: torch.dtype) -> tuple[Any, ...]:
    return explain, images().to(dtype)[part], torch.arange(10, 17)[part]


def of_predictions(part: slice, dtype: torch.dtype) -> tuple[Any, ...]:
    return predict, *of_images(part, dtype)


def of_cells(part: slice, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    cells = torch.tensor([0, 3, -1, 8, 5, 2, 2])  # the third grid does not count
    return maps().to(dtype)[part], cells[part]


def of_targets(part: slice, dtype: torch.dtype) -> tuple[Any, ...]:
    return predict, images().to(dtype)[part], *of_maps(part, dtype), (torch.arange(7) % 2)[part]


def of_numbered_targets(part: slice, dtype: torch.dtype) -> tuple[Any, ...]:
    return *of_targets(part, dtype), torch.arange(10, 17)[part]


CASES = [
    Case(SaliencyEntropy, {}, entropy, of_maps),
    Case(GiniIndex, {}, gini, of_maps),
    Case(Hoyer, {}, hoyer, of_maps),
    Case(
        CompressedSize,
        {"codec": "jpeg", "quality": 30},
        lambda m: compressed_size(m, "jpeg", 30),
        of_maps,
    ),
    Case(PointingGame, {}, pointing_game, of_masks),
    Case(EnergyInside, {}, energy_inside, of_masks),
    Case(IoUAtArea, {}, iou_at_area, of_masks),
    Case(MapCorrelation, {}, spearman, of_pairs),
    Case(GridPointingGame, {"grid": 3}, partial(grid_pointing_game, grid=3), of_cells),
    Case(SingleDeletion, {"grid": 3}, partial(single_deletion, grid=3), of_targets),
    Case(
        SensitivityN,
        {"subsets": 5, "seed": 4},
        lambda f, x, m, t, image_ids: sensitivity_n(
            f, x, m, t, subsets=5, seed=4, image_ids=image_ids
        ),
        of_numbered_targets,
    ),
    Case(
        MaxSensitivity,
        STABILITY,
        lambda e, x, image_ids: max_sensitivity(e, x, image_ids=image_ids, **STABILITY),
        of_images,
    ),
    Case(
        RelativeInputStability,
        {**STABILITY, "eps": 1e-3},
        lambda f, e, x, image_ids: relative_input_stability(
            f, e, x, image_ids=image_ids, eps=1e-3, **STABILITY
        ),
        of_predictions,
    ),
]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.metric.__name__)
WHOLE = slice(0, 7)
close = partial(torch.testing.assert_close, equal_nan=True)


def parts(*sizes: int) -> list[slice]:
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def test_every_metric_with_a_value_an_image_is_in_the_list() -> None:
    public = {getattr(scaat.metrics, name) for name in scaat.metrics.__all__}
    bases = {PerImageMetric, scaat.metrics.MapMetric, LatticeFraction}  # the last: below
    found = {m for m in public if issubclass(m, PerImageMetric)} - bases
    assert {case.metric for case in CASES} == found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@each_case
def test_mean_and_values_do_not_depend_on_the_batches(case: Case, dtype: torch.dtype) -> None:
    expected = case.function(*case.inputs(WHOLE, dtype))
    for sizes in ([7], [3, 4], [1, 5, 1], [2, 1, 4]):
        measured = case.metric(**case.settings)
        for part in parts(*sizes):
            measured.update(*case.inputs(part, dtype))
        assert measured.values().dtype == torch.float32
        close(measured.values(), expected)
        close(measured.compute(), expected[~expected.isnan()].mean())


@each_case
def test_forward_returns_the_batch_and_keeps_the_whole(case: Case) -> None:
    measured = case.metric(**case.settings)
    for part in parts(4, 3):
        inputs = case.inputs(part, torch.float32)
        close(measured(*inputs), case.function(*inputs).nanmean())
    close(measured.values(), case.function(*case.inputs(WHOLE, torch.float32)))


def test_an_image_without_a_value_keeps_its_place_and_stays_out_of_the_mean() -> None:
    measured = EnergyInside()
    measured.update(maps(), masks())
    assert measured.values().isnan().tolist() == [i == 2 for i in range(7)]
    with_object = torch.arange(7) != 2
    expected = energy_inside(maps()[with_object], masks()[with_object]).mean()
    close(measured.compute(), expected)
    empty = EnergyInside()
    empty.update(maps(), torch.zeros_like(masks()))
    assert empty.compute().isnan()


@pytest.mark.parametrize("call", ["update", "forward"])
def test_stability_counts_on_over_the_updates(call: str) -> None:
    expected = max_sensitivity(explain, images(), **STABILITY)
    metric = MaxSensitivity(**STABILITY)
    for _ in range(2):  # reset starts the count anew
        metric.reset()
        for x in images().split(3):
            getattr(metric, call)(explain, x)
        close(metric.values(), expected)


def test_a_collection_hands_each_metric_what_it_takes() -> None:
    collection = MetricCollection([GiniIndex(), EnergyInside()])
    collection.update(maps=maps(), masks=masks())
    found = collection.compute()
    close(found["GiniIndex"], gini(maps()).mean())
    close(found["EnergyInside"], energy_inside(maps(), masks()).nanmean())


def test_a_collection_keeps_apart_metrics_that_agree_on_the_first_batch() -> None:
    metrics = {
        "gini": GiniIndex(),
        "hoyer": Hoyer(),
        "png": CompressedSize(codec="png"),
        "jpeg": CompressedSize(codec="jpeg"),
    }
    collection = MetricCollection(dict(metrics))
    for part in (torch.zeros(1, 6, 6), maps()):
        collection.update(maps=part)
        for metric in metrics.values():
            metric.update(part)
    close(collection.compute(), {name: metric.compute() for name, metric in metrics.items()})


@pytest.mark.parametrize("call", ["update", "forward"])
def test_aopc_equals_the_function_and_counts_on_over_the_updates(call: str) -> None:
    expected = perturbation_curve(predict, images(), maps(), **AOPC_SETTINGS)
    metric = AOPC(**AOPC_SETTINGS)
    for _ in range(2):  # reset starts the count anew
        metric.reset()
        for x, m in zip(images().split(3), maps().split(3), strict=True):
            getattr(metric, call)(predict, x, m)
        for order, curve in metric.curves().items():
            torch.testing.assert_close(curve, expected[order])
            torch.testing.assert_close(metric.values()[f"aopc_{order}"], expected[order].mean(1))
    result = metric.compute()
    lerf, morf = expected["lerf"].mean(), expected["morf"].mean()
    torch.testing.assert_close(
        result, {"aopc_lerf": lerf, "aopc_morf": morf, "aopc_rel": morf / lerf}
    )


@pytest.mark.parametrize("metric", [SaliencyEntropy(), PointingGame(), AOPC()])
def test_no_image_is_said_in_one_sentence(metric) -> None:
    with pytest.raises(InputError, match="has seen no saliency map"):
        metric.values()


def _one_of_two(rank: int, folder: Path) -> None:
    part = slice(0, 3) if rank == 0 else slice(3, 7)
    faithfulness = AOPC(**AOPC_SETTINGS)
    image_ids = torch.arange(7)[part]
    faithfulness.update(predict, images()[part], maps()[part], image_ids=image_ids)
    found = faithfulness.compute()
    for case in CASES:
        metric = case.metric(**case.settings)
        metric.update(*case.inputs(part, torch.float32))
        found[case.metric.__name__] = metric.compute()
        assert len(metric.values()) == len(image_ids)
    torch.save(found, folder / f"{rank}.pt")


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    in_two_processes(_one_of_two, tmp_path)
    metric = AOPC(**AOPC_SETTINGS)
    metric.update(predict, images(), maps())
    expected = metric.compute()
    for case in CASES:
        values = case.function(*case.inputs(WHOLE, torch.float32))
        expected[case.metric.__name__] = values.nanmean()
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), expected)


def test_declarations_read_from_source_are_those_of_the_classes() -> None:
    exported = [getattr(scaat.metrics, name) for name in scaat.metrics.__all__]
    declared = {
        each.key: each
        for metric in exported
        if isinstance(metric, type) and issubclass(metric, SaliencyMetric)
        for each in metric.declares
    }
    assert {**{each.key: each for each in MODEL}, **declared} == declarations()


def test_direction_follows_from_the_declarations() -> None:
    assert GiniIndex.higher_is_better is True
    assert SaliencyEntropy.higher_is_better is MapCorrelation.higher_is_better is False
    assert AOPC.higher_is_better is None  # LeRF is better low, MoRF high


def test_the_lattice_is_that_of_all_images_together() -> None:
    metric = LatticeFraction()
    for part in parts(3, 4):
        metric.update(maps()[part])
    fractions = lattice_fractions(maps())
    lattice = max(range(4), key=lambda i: float(fractions[:, i].sum()))
    assert torch.equal(metric.values(), fractions[:, lattice])
    assert torch.allclose(metric.compute(), fractions.mean(0).max())
