"""A name for every objective, attribution, data set and model.

An entry is one file that registers itself; the command line, the documentation and the shared
tests all walk the same list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from scaat.errors import unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries of one kind by name, in the order in which they were registered."""

    def __init__(self, kind: str) -> None:
        """Args: kind: what an entry is called in messages, for example ``"data set"``."""
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that enters its argument under ``name`` and gives it back."""

        def enter(entry: T) -> T:
            if name in self._entries:
                raise RuntimeError(f"two entries of kind {self.kind!r} are called {name!r}")
            self._entries[name] = entry
            return entry

        return enter

    def __getitem__(self, name: str) -> T:
        """Return the entry called ``name``; raise `InputError` with the nearest name if none."""
        try:
            return self._entries[name]
        except KeyError:
            raise unknown(self.kind, name, self) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)
