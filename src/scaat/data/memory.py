"""Refuse to decode what would not fit in memory."""

from __future__ import annotations

import os
from pathlib import Path

from scaat.errors import InputError


def require_memory(needed: int, what: str) -> None:
    """Raise `InputError` if ``what`` needs more bytes than this machine has available."""
    available = available_memory()
    if available is not None and needed > available:
        raise InputError(
            f"{what} need {needed / 2**30:.1f} GiB of memory decoded and "
            f"{available / 2**30:.1f} GiB are available; set image_size or train_limit lower"
        )


def available_memory() -> int | None:
    """Return the bytes that a program could still take, or None where the system does not say.

    Linux counts what it would give back from its file cache. Elsewhere the physical memory is
    the bound, since the free pages that `os.sysconf` reports leave out that cache.
    """
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError, ValueError):
        return None
