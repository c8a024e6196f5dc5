"""The index that an objective knows each training image by, added to anybody's data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from scaat.errors import InputError

INDEX = "index"
"""Key of the index in items that are dictionaries."""


class IndexedDataset(Dataset[Any]):
    """A map-style data set whose items carry their position in it.

    A tuple ``(image, label)`` becomes ``(image, label, index)``, a list likewise, and a
    dictionary gains the key ``"index"``. The index is an int64 scalar tensor, the position from
    0, whatever the sampler, the epoch or the process.

    Wrap the whole training set, after it was cut and joined: around a ``Subset`` or a
    ``ConcatDataset`` the positions are those in the subset or in the whole, and
    ``num_samples`` is ``len`` of this.

    Args:
        dataset: Anything with ``__len__`` and ``__getitem__``. Its ``__getitems__`` is used where
            it has one.

    Raises:
        InputError: The data set is iterable only, and so has no positions.
    """

    def __init__(self, dataset: Any) -> None:
        if isinstance(dataset, IterableDataset) or not (
            hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        ):
            raise InputError(
                f"the data set is a {type(dataset).__name__}, which can only be iterated over; "
                "expected one with __len__ and __getitem__, since each sample needs a position "
                "that stays"
            )
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Any:
        """Return one item with its index; a negative position counts from the end."""
        place = self._place(position)
        return with_index(self.dataset[place], torch.tensor(place))

    def __getitems__(self, positions: Sequence[int]) -> list[Any]:
        """Return several items, each with its index; a `DataLoader` calls this."""
        places = [self._place(position) for position in positions]
        fetch = getattr(self.dataset, "__getitems__", None)
        items = fetch(places) if callable(fetch) else [self.dataset[place] for place in places]
        if not isinstance(items, list) or len(items) != len(places):
            raise InputError(
                f"__getitems__ of {type(self.dataset).__name__} returned a {type(items).__name__} "
                f"for {len(places)} positions; expected a list of as many items"
            )
        return [
            with_index(item, torch.tensor(place)) for item, place in zip(items, places, strict=True)
        ]

    def _place(self, position: int) -> int:
        return range(len(self.dataset))[position]  # IndexError past the end, as iteration needs


def with_index(item: Any, index: Tensor) -> Any:
    """Return a data set's item with an index.

    Args:
        item: A tuple, a list or a dictionary.
        index: int64 scalar.

    Raises:
        InputError: The item is of another kind, or a dictionary that has an index already.
    """
    if isinstance(item, Mapping):
        if INDEX in item:
            raise InputError(
                f"the data set's items have a key {INDEX!r} already; expected it to be free"
            )
        return {**item, INDEX: index}
    if isinstance(item, tuple):
        return (*item, index)
    if isinstance(item, list):
        return [*item, index]
    raise InputError(
        f"an item of the data set is a {type(item).__name__}; expected a tuple, a list or a "
        "dictionary"
    )
