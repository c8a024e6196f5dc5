"""Refuse to decode what would not fit in memory."""

from __future__ import annotations

from scaat.errors import InputError
from scaat.hardware import available_memory


def require_memory(needed: int, what: str) -> None:
    """Raise `InputError` if ``what`` needs more bytes than this machine has available."""
    available = available_memory()
    if available is not None and needed > available:
        raise InputError(
            f"{what} need {needed / 2**30:.1f} GiB of memory decoded and "
            f"{available / 2**30:.1f} GiB are available; set image_size or train_limit lower"
        )
