from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.samples import sample, write

from scaat.data import DataOptions, load_data
from scaat.data.loading import limit, split_off
from scaat.errors import InputError

CLASSES = ("a", "b", "c")


@pytest.mark.parametrize("share", [0.1, 0.125, 0.25, 1 / 3, 0.6])
def test_split_is_disjoint_complete_stratified_and_of_the_asked_size(share: float) -> None:
    labels = torch.tensor([0] * 100 + [1] * 60 + [2] * 40)
    rest, held = split_off(labels, None, share, seed=3, part="test", classes=CLASSES)
    assert torch.equal(torch.cat([rest, held]).sort().values, torch.arange(200))
    assert torch.equal(held, held.sort().values)
    assert abs(len(held) - 200 * share) < 1
    for label, count in enumerate((100, 60, 40)):
        assert abs(int((labels[held] == label).sum()) - count * share) <= 1


def test_split_follows_the_seed() -> None:
    labels = torch.arange(300) % 3
    draws = [
        split_off(labels, None, 0.2, seed=seed, part="test", classes=CLASSES)[1]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("share", [0.1, 0.15, 0.25, 1 / 3])
def test_groups_stay_whole(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    groups = torch.randint(0, 120, (1500,), generator=generator)
    labels = groups % 3
    rest, held = split_off(labels, groups, share, seed=0, part="test", classes=CLASSES)
    assert torch.equal(torch.cat([rest, held]).sort().values, torch.arange(1500))
    assert not set(groups[rest].tolist()) & set(groups[held].tolist())
    for label in range(3):
        part = int((labels[held] == label).sum()) / int((labels == label).sum())
        assert part == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(
    ("count", "size", "share", "mixed"),
    [
        (40, 20, 0.33, False),
        (20, 6, 0.33, False),
        (20, 20, 0.12, False),
        (40, 20, 0.23, True),
        (12, 10, 2 / 15, True),
        (260, 2, 0.996, True),
    ],
)
def test_fractions_that_suit_no_few_folds(count: int, size: int, share: float, mixed: bool) -> None:
    groups = torch.arange(count).repeat_interleave(size)
    labels = (torch.arange(len(groups)) if mixed else groups) % 2
    rest, held = split_off(labels, groups, share, seed=0, part="test", classes=CLASSES)
    assert torch.equal(torch.cat([rest, held]).sort().values, torch.arange(len(groups)))
    assert not set(groups[rest].tolist()) & set(groups[held].tolist())
    assert len(held) / len(groups) == pytest.approx(share, abs=0.04)


def test_groups_are_split_cleanly_or_refused() -> None:
    """More classes than images a class, groups of unequal size, and groups that mix classes."""
    generator = np.random.default_rng(0)
    split = 0
    for _ in range(200):
        most = int(generator.integers(2, 30))
        groups = torch.from_numpy(generator.integers(0, most, most * generator.integers(1, 5)))
        kinds = int(generator.integers(2, 12))
        labels = groups % kinds if generator.random() < 0.5 else groups.flip(0) % kinds
        share = float(generator.uniform(0.01, 0.99))
        names = [str(label) for label in range(kinds)]
        try:
            rest, held = split_off(labels, groups, share, seed=0, part="test", classes=names)
        except InputError:
            continue
        split += 1
        assert len(rest) + len(held) == len(groups)
        assert not set(groups[rest].tolist()) & set(groups[held].tolist())
    assert split > 20


def test_a_class_with_too_few_images() -> None:
    labels = torch.tensor([0] * 50 + [1] * 9)
    message = r"class 'b' has too few images \(9\) .* validation part of 0.1 needs 10 or more"
    with pytest.raises(InputError, match=message):
        split_off(labels, None, 0.1, seed=0, part="validation", classes=CLASSES)
    with pytest.raises(InputError, match=r"test part of 0.9 needs 10 or more"):
        split_off(labels, None, 0.9, seed=0, part="test", classes=CLASSES)


def test_exactly_enough_images_put_every_class_in_both_parts() -> None:
    labels = torch.tensor([0] * 10 + [1] * 10 + [2] * 14)
    for seed in range(20):
        for side in split_off(labels, None, 0.1, seed=seed, part="test", classes=CLASSES):
            assert set(labels[side].tolist()) == {0, 1, 2}


def test_a_class_with_too_few_groups() -> None:
    labels = torch.tensor([0] * 50 + [1] * 50)
    groups = torch.cat([torch.arange(50), torch.arange(50, 54).repeat_interleave(13)[:50]])
    with pytest.raises(InputError, match=r"class 'b' has too few groups \(4\)"):
        split_off(labels, groups, 0.2, seed=0, part="test", classes=CLASSES)


def test_limit_keeps_shares_and_nests() -> None:
    labels = torch.tensor([0] * 500 + [1] * 300 + [2] * 200)
    smaller = limit(labels, 10, seed=0)
    larger = limit(labels, 101, seed=0)
    assert (len(smaller), len(larger)) == (10, 101)
    assert labels[smaller].bincount().tolist() == [5, 3, 2]
    assert set(smaller.tolist()) < set(larger.tolist())
    assert torch.equal(larger, larger.sort().values)
    for count in (1, 7, 50, 333, 1000):
        chosen = limit(labels, count, seed=1)
        assert len(set(chosen.tolist())) == count
        shares = labels[chosen].bincount(minlength=3) - count * torch.tensor([0.5, 0.3, 0.2])
        assert shares.abs().max() <= 1
    assert not torch.equal(limit(labels, 101, seed=1), larger)
    assert torch.equal(limit(labels, 101, seed=0), larger)


@pytest.mark.parametrize("kind", ["folder", "parquet", "webdataset"])
def test_a_test_part_alone_can_be_evaluated_on(
    kind: str,
    write_folder: Callable[..., Path],
    write_parquet: Callable[..., Path],
    tmp_path: Path,
) -> None:
    if kind == "folder":
        data = f"folder:{write_folder('test', {'cat': 3, 'dog': 2})}"
    elif kind == "parquet":
        data = f"parquet:{write_parquet('set/test.parquet', labels=[0, 0, 0, 1, 1]).parent}"
    else:
        write(tmp_path / "test-0.tar", [member for n in range(5) for member in sample(n)])
        data = f"webdataset:{tmp_path}"
    with pytest.raises(InputError, match="holds a test part but no train part"):
        load_data(DataOptions(data), seed=0)
    splits = load_data(DataOptions(data, image_size=4), seed=0, test_only=True)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [0, 0, 5]
    assert splits.train.classes == splits.test.classes
    assert splits.train.image_size == splits.test.image_size == (4, 4)
    chosen = ",".join(reversed(splits.test.classes))
    swapped = load_data(DataOptions(data, image_size=4, classes=chosen), seed=0, test_only=True)
    assert torch.equal(swapped.test.labels, 1 - splits.test.labels)
    assert torch.equal(swapped.test.pixels(), splits.test.pixels())
