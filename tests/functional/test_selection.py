from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scaat.functional import lowest, region_average
from scaat.functional.selection import replace_lowest

values = st.lists(st.integers(0, 6), min_size=1, max_size=30)


@given(values, st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.6, 0.75, 0.9, 1.0]))
def test_equals_the_definition_with_numpys_quantile(numbers: list[int], q: float) -> None:
    # Whole numbers, so that interpolation between equal neighbours is exact in the reference.
    array = np.array(numbers, dtype=np.float64)
    expected = array < np.quantile(array, q)
    found = lowest(torch.from_numpy(array)[None], torch.tensor([q], dtype=torch.float64))[0]
    assert found.tolist() == expected.tolist()


def test_each_sample_has_its_own_proportion() -> None:
    maps = torch.arange(10.0).expand(3, 10)
    marked = lowest(maps, torch.tensor([0.0, 0.5, 1.0]))
    assert marked.sum(1).tolist() == [0, 5, 9]
    assert marked[1].tolist() == [True] * 5 + [False] * 5


def test_equal_values_have_no_lowest_part() -> None:
    for q in (0.0, 0.3, 0.99, 1.0):
        assert not lowest(torch.full((1, 4, 4), 0.1), torch.tensor([q])).any()


def test_regions_are_marked_whole() -> None:
    torch.manual_seed(0)
    maps = region_average(torch.rand(20, 13, 13), 4)
    marked = lowest(maps, torch.rand(20))
    assert 0 < marked.sum() < marked.numel()
    assert torch.equal(region_average(marked.double(), 4), marked.double())


def test_marked_values_lie_below_unmarked_ones() -> None:
    maps = torch.rand(5, 6, 7)
    marked = lowest(maps, torch.full((5,), 0.4))
    for m, k in zip(maps, marked, strict=True):
        assert m[k].max() < m[~k].min()


def test_scalar_proportion_and_empty_map() -> None:
    assert lowest(torch.arange(4.0)[None], torch.tensor(0.5)).sum() == 2
    assert lowest(torch.zeros(2, 0), torch.tensor(0.5)).shape == (2, 0)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 12), (10,)])
def test_replaces_that_share_by_values_of_the_samples_own_range(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    inputs = 4 * torch.rand(6, *shape) - torch.arange(6.0).view(-1, *(1 for _ in shape))
    maps = torch.rand(6, *shape) if len(shape) < 3 else torch.rand(6, *shape[1:])
    found = replace_lowest(inputs, maps, 0.25)
    changed = found != inputs
    marked = changed if len(shape) < 3 else changed.any(1)
    for values, change, before, after in zip(maps, marked, inputs, found, strict=True):
        assert change.sum() == round((values.numel() - 1) * 0.25 + 0.49)
        assert values[change].max() < values[~change].min()
        assert before.min() <= after.min()
        assert after.max() <= before.max()


def test_nothing_to_replace_changes_nothing() -> None:
    inputs = torch.rand(2, 3, 4, 4)
    assert torch.equal(replace_lowest(inputs, torch.rand(2, 4, 4), 0.0), inputs)
