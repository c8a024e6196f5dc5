"""What an adapter says where its library is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str, adapter: str) -> Iterator[None]:
    """Name the extra that brings a library, where an import of it fails.

    Args:
        name: Of the extra.
        adapter: What needs it.

    Raises:
        ImportError: An import inside the block failed.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{adapter} needs the extra {name!r} (pip install 'scaat[{name}]'): {error}",
            name=error.name,
        ) from error
