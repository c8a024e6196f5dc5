"""What the adapters share: the sample index, pixels and logits around a network, and its state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset

from scaat.errors import InputError
from scaat.models import Normalize
from scaat.models.adapters import Logits
from scaat.objectives import Objective

INDEX = "index"
"""Key of the index in items that are dictionaries."""


class IndexedDataset(Dataset[Any]):
    """A map-style data set whose items carry their position in it.

    A tuple ``(image, label)`` becomes ``(image, label, index)``, a list likewise, and a dictionary
    gains the key ``"index"``. The index is an int64 scalar tensor, the position from 0, whatever
    the sampler, the epoch or the process.

    Wrap the whole training set, after it was cut and joined: around a ``Subset`` or a
    ``ConcatDataset`` the positions are those in the subset or in the whole. ``num_samples`` is
    ``len`` of this.

    Args:
        dataset: Anything with ``__len__`` and ``__getitem__``, and perhaps ``__getitems__``.

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
        return self.with_index(self.dataset[place], torch.tensor(place))

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
        pairs = zip(items, places, strict=True)
        return [self.with_index(item, torch.tensor(place)) for item, place in pairs]

    def _place(self, position: int) -> int:
        return range(len(self.dataset))[position]  # IndexError past the end, as iteration needs

    def with_index(self, item: Any, index: Tensor) -> Any:
        """Return an item with its index; `InputError` for other kinds, or with one already."""
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


class Pixels(nn.Module):
    """What surrounds a network while it is trained: normalisation before it, logits after it.

    So the objective sees images in [0, 1], epsilon is in units of pixels, and the network, its
    checkpoints and its evaluation stay as its library has them. Mean and standard deviation have a
    number a channel, or are both None for a network that takes pixels; else it is an `InputError`.
    The adapter is as in `scaat.models.find_adapter`.
    """

    def __init__(
        self, mean: Sequence[float] | None, std: Sequence[float] | None, adapter: str = "auto"
    ) -> None:
        super().__init__()
        if (mean is None) != (std is None) or (mean and std and len(mean) != len(std)):
            raise InputError(
                f"mean is {mean!r} and std is {std!r}; expected one number a channel in both, or "
                "None in both"
            )
        self.before = nn.Identity() if mean is None or std is None else Normalize(mean, std)
        self.after = Logits(adapter)

    def around(self, network: nn.Module) -> nn.Module:
        """Return a network, also one wrapped or compiled, from pixels to logits (N, classes)."""
        layers = {"normalize": self.before, "network": network, "logits": self.after}
        return nn.Sequential(OrderedDict(layers))


def load_state(objective: Objective, state: Mapping[str, Any] | None, place: str) -> None:
    """Give an objective the ``state_dict`` that ``place``, a checkpoint, holds, or None.

    No state, or another objective's, is an `InputError`.
    """
    own = {name: tuple(value.shape) for name, value in objective.state_dict().items()}
    if state is None and not own:
        return
    stored = {name: tuple(value.shape) for name, value in (state or {}).items()}
    if state is None or stored != own:
        raise InputError(
            f"{place} holds {stored or 'nothing'} of the objective, but {type(objective).__name__} "
            f"has {own or 'no state'}; expected a checkpoint of this objective on a training set "
            "of this size"
        )
    objective.load_state_dict(dict(state))


@contextmanager
def extra(name: str, adapter: str) -> Iterator[None]:
    """Name the extra that brings a library in the `ImportError` where importing it fails."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{adapter} needs the extra {name!r} (pip install 'scaat[{name}]'): {error}",
            name=error.name,
        ) from error
