"""What stops a training, in a sentence: memory that ran out, a process that failed."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from scaat.errors import (
    InputError,
    MemoryExhaustedError,
    NonFiniteLossError,
    TrainingStopped,
    WriteError,
)
from scaat.exhaustion import memory_in_words
from scaat.options.training import TrainingOptions


@contextmanager
def failures_in_words(options: TrainingOptions, objective: nn.Module) -> Iterator[None]:
    """Raise what a user can act on for memory that ran out and for a spawned process's error.

    Raises:
        MemoryExhaustedError: Memory ran out; the message says what to lower.
        WriteError: A log cannot be written.
        InputError: An operation is refused for being not deterministic, or batch norm has a
            batch of a single value a channel.
        KeyboardInterrupt: Somebody pressed Ctrl-C.
        Any error of ours, as raised in a process that the training started, which hands it over
            as text.
    """
    try:
        with memory_in_words("training", _advice(options)):
            yield
    except ProcessRaisedException as error:
        _raise_again(error)
        raise
    except OSError as error:  # of a logger of Lightning's
        raise WriteError(f"{error.filename or 'a log'} cannot be written ({error})") from error
    except RuntimeError as error:
        if "does not have a deterministic implementation" not in str(error):
            raise
        operation = str(error).partition(" does not")[0]
        raise InputError(
            f"deterministic is set, but {operation} has no deterministic implementation on this "
            "device; expected another model, or no such option"
        ) from error
    except ValueError as error:
        if "Expected more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            "batch norm found a batch of one image, whose values have no spread; expected a "
            f"batch_size (now {options.batch_size}) that does not leave one image over"
        ) from error
    except SystemExit as error:
        # What Lightning makes of Ctrl-C.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


def _advice(options: TrainingOptions) -> list[str]:
    lower = [
        f"batch_size (now {options.batch_size}; accumulate {2 * options.accumulate} with half of "
        "it makes the same steps)",
        "image_size",
    ]
    if options.precision == "32":
        lower.append("precision (bf16 halves what a pass keeps)")
    return lower


def _raise_again(error: ProcessRaisedException) -> None:
    """Raise our own error that ended a process, if its text shows one."""
    kinds = {
        kind.__name__: kind
        for kind in (InputError, NonFiniteLossError, MemoryExhaustedError, WriteError)
    }
    names = "|".join((*kinds, TrainingStopped.__name__))
    found = re.search(rf"^scaat\.errors\.({names}): (.+)", str(error), re.MULTILINE)
    if found and found[1] in kinds:
        raise kinds[found[1]](found[2]) from error
    if found and (said := re.match(r"stopped by (\w+) after step (\d+)", found[2])):
        raise TrainingStopped(signal.Signals[said[1]].value, int(said[2])) from error
