"""Out-of-memory errors, translated into a sentence that says what to lower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from scaat.errors import MemoryExhaustedError

_EXHAUSTED = (
    "can't allocate memory",  # torch's allocator for CPUs
    "Cannot allocate memory",  # the system's, as in starting a loader's worker
    "std::bad_alloc",
    "could not create a memory",  # oneDNN
    "out of memory",  # CUDA's, where torch has no class of its own for it
)


@contextmanager
def translate_oom(work: str, lower: Sequence[str]) -> Iterator[None]:
    """Raise `MemoryExhaustedError` for any error that says that memory ran out.

    Args:
        work: What the program was doing, for the message.
        lower: The options that need less memory when lowered, the best first; at least two.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        advice = f"{', '.join(lower[:-1])} or {lower[-1]}"
        raise MemoryExhaustedError(f"memory ran out in {work}; lower {advice}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in _EXHAUSTED)
