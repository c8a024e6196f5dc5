"""What stops a training, in a sentence: memory that ran out, a process that failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from scaat.errors import InputError, MemoryExhaustedError, NonFiniteLossError
from scaat.exhaustion import memory_in_words
from scaat.training.options import TrainingOptions


@contextmanager
def failures_in_words(options: TrainingOptions, objective: nn.Module) -> Iterator[None]:
    """Raise what a user can act on for memory that ran out and for a spawned process's error.

    Raises:
        MemoryExhaustedError: Memory ran out; the message says what to lower.
        InputError, NonFiniteLossError: As raised in a process that the training started, which
            hands it over as text.
    """
    try:
        with memory_in_words("training", _advice(options, objective)):
            yield
    except ProcessRaisedException as error:
        _raise_again(error)
        raise


def _advice(options: TrainingOptions, objective: nn.Module) -> list[str]:
    lower = [
        f"batch_size (now {options.batch_size}; accumulate {2 * options.accumulate} with half of "
        "it makes the same steps)",
        "image_size",
    ]
    if options.precision == "32":
        lower.append("precision (bf16 halves what a pass keeps)")
    if getattr(objective, "saliency", None) == "smoothgrad":
        lower.append("saliency (gradient needs no noisy copies)")
    return lower


def _raise_again(error: ProcessRaisedException) -> None:
    """Raise our own error that ended a process, if its text shows one."""
    kinds = {kind.__name__: kind for kind in (InputError, NonFiniteLossError, MemoryExhaustedError)}
    found = re.search(rf"^scaat\.errors\.({'|'.join(kinds)}): (.+)", str(error), re.MULTILINE)
    if found:
        raise kinds[found[1]](found[2]) from error
