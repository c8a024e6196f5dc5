from __future__ import annotations

import pytest
import torch

from scaat.functional.replacement import replace_lowest


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
