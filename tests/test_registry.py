from __future__ import annotations

import pytest

from scaat.errors import InputError, did_you_mean
from scaat.registry import Registry


def test_entries_keep_their_order_and_misspelt_names_are_corrected() -> None:
    registry: Registry[int] = Registry("fruit")
    assert registry.register("pear")(1) == 1
    registry.register("apple")(2)
    assert list(registry) == ["pear", "apple"]
    assert registry["apple"] == 2
    assert "apple" in registry
    assert len(registry) == 2
    with pytest.raises(InputError, match="did you mean 'apple'"):
        registry["aple"]
    with pytest.raises(RuntimeError, match="two entries of kind 'fruit' are called 'pear'"):
        registry.register("pear")(3)


def test_no_name_is_better_than_a_wrong_one() -> None:
    assert did_you_mean("zzz", ["apple"]) == ""
