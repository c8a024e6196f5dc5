from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.aopc import perturbation_curve
from scaat.functional.compressed_size import compressed_size
from scaat.functional.entropy import entropy
from scaat.functional.gini import gini
from scaat.metrics import AOPC, CompressedSize, GiniIndex, SaliencyEntropy

MAP_METRICS = [
    (SaliencyEntropy, {}, entropy),
    (GiniIndex, {}, gini),
    (CompressedSize, {"codec": "jpeg", "quality": 30}, lambda m: compressed_size(m, "jpeg", 30)),
]
AOPC_SETTINGS = {"steps": 3, "repeats": 2, "fraction": 0.5, "seed": 4}


def maps(n: int = 7) -> Tensor:
    return torch.rand(n, 6, 6, generator=torch.Generator().manual_seed(0)) ** 3


def images(n: int = 7) -> Tensor:
    return torch.rand(n, 1, 6, 6, generator=torch.Generator().manual_seed(1))


def predict(x: Tensor) -> Tensor:
    return torch.stack([3 * x[:, 0, :3].sum((1, 2)), 3 * x[:, 0, 3:].sum((1, 2))], 1)


@pytest.mark.parametrize(("metric", "settings", "function"), MAP_METRICS)
def test_mean_and_values_do_not_depend_on_the_batches(metric, settings, function) -> None:
    expected = function(maps())
    for sizes in ([7], [3, 4], [1, 5, 1]):
        measured = metric(**settings)
        for part in maps().split(sizes):
            measured.update(part)
        assert torch.equal(measured.values(), expected)
        torch.testing.assert_close(measured.compute(), expected.mean())


@pytest.mark.parametrize(("metric", "settings", "function"), MAP_METRICS)
def test_forward_returns_the_batch_and_keeps_the_whole(metric, settings, function) -> None:
    measured = metric(**settings)
    for part in maps().split(4):
        torch.testing.assert_close(measured(part), function(part).mean())
    torch.testing.assert_close(measured.compute(), function(maps()).mean())


def test_aopc_equals_the_function_and_counts_on_over_the_updates() -> None:
    expected = perturbation_curve(predict, images(), maps(), **AOPC_SETTINGS)
    metric = AOPC(**AOPC_SETTINGS)
    for _ in range(2):  # reset starts the count anew
        metric.reset()
        for x, m in zip(images().split(3), maps().split(3), strict=True):
            metric.update(predict, x, m)
        for order, curve in metric.curves().items():
            torch.testing.assert_close(curve, expected[order])
            torch.testing.assert_close(metric.values()[f"aopc_{order}"], expected[order].mean(1))
    result = metric.compute()
    lerf, morf = expected["lerf"].mean(), expected["morf"].mean()
    torch.testing.assert_close(
        result, {"aopc_lerf": lerf, "aopc_morf": morf, "aopc_rel": morf / lerf}
    )


@pytest.mark.parametrize("metric", [SaliencyEntropy(), AOPC()])
def test_no_image_is_said_in_one_sentence(metric) -> None:
    with pytest.raises(InputError, match="has seen no saliency map"):
        metric.values()


def _one_of_two(rank: int, folder: str) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    part = slice(0, 3) if rank == 0 else slice(3, 7)
    gini_index, faithfulness = GiniIndex(), AOPC(**AOPC_SETTINGS)
    gini_index.update(maps()[part])
    numbers = torch.arange(7)[part]
    faithfulness.update(predict, images()[part], maps()[part], numbers=numbers)
    found = {"gini": gini_index.compute(), **faithfulness.compute()}
    assert len(gini_index.values()) == len(numbers)
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    mp.spawn(_one_of_two, args=(str(tmp_path),), nprocs=2)
    metric = AOPC(**AOPC_SETTINGS)
    metric.update(predict, images(), maps())
    expected = {"gini": gini(maps()).mean(), **metric.compute()}
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), expected)
