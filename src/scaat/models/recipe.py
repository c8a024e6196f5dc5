"""What is known of a network before it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from scaat.errors import InputError

Factory = Callable[[int, tuple[int, int]], nn.Module]
"""Maps (number of classes, image height and width) to a network."""


@dataclass(frozen=True)
class Recipe:
    """How a network is built, and what its library says that it takes.

    Attributes:
        build: Makes the network.
        mean: Mean of each channel of images in [0, 1] that its pretrained weights expect, or None
            where no library says.
        std: Their standard deviation, or None.
        size: Height and width that its pretrained weights expect, or None.
        by_channel: For a factory of the user's own that names ``channels``: makes the network for
            that many. All others take three, and grey images are repeated for them.
    """

    build: Factory
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    by_channel: Callable[[int], Factory] | None = None

    def __call__(self, num_classes: int, image_size: tuple[int, int]) -> nn.Module:
        """Return the network, for images of three channels.

        Args:
            num_classes: Number of logits.
            image_size: Height and width in pixels.

        Raises:
            InputError: The network does not come in this size.
        """
        return self.build(num_classes, image_size)


@contextmanager
def refusal(spec: str, image_size: tuple[int, int]) -> Iterator[None]:
    """Make one sentence of a library's refusal to build or run a network for a size."""
    try:
        yield
    except InputError:
        raise
    # Anything may come out of a library, or of a network of the user's own.
    except Exception as error:
        height, width = image_size
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"model {spec!r} cannot be built for images of {height}x{width} ({reason})"
        ) from error
