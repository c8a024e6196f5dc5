"""Images that are read when they are asked for, not held in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scaat.errors import InputError

Shape = tuple[int, int, int, int]


class Pixels(ABC):
    """The images of a set, uint8 (N, C, H, W) in [0, 255], read by position.

    An instance can be pickled, and is small then: worker processes read for themselves.

    Attributes:
        shape: N, C, H, W.
        encoded: whether reading means decoding, which takes a processor's time.
    """

    shape: Shape
    encoded = False

    @abstractmethod
    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions, in their order: uint8 (M, C, H, W).

        Raises:
            InputError: An image cannot be read; the message names it.
        """

    def view(self, positions: Tensor) -> Pixels:
        """Return the images at int64 (M,) positions without reading them."""
        return View(self, positions)


class View(Pixels):
    """Some images of others, by their positions in those.

    Args:
        base: All images.
        rows: int64 (N,), which of them.
    """

    def __init__(self, base: Pixels, rows: Tensor) -> None:
        self.base = base
        self.rows = rows
        self.shape = (len(rows), *base.shape[1:])
        self.encoded = base.encoded

    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions."""
        return self.base.read(self.rows[positions])

    def view(self, positions: Tensor) -> Pixels:
        """Return some of these; a view of a view is one of the base."""
        return View(self.base, self.rows[positions])


class MappedPixels(Pixels):
    """The images of one ``.npy`` file, mapped: the system reads and drops its pages as needed.

    Args:
        path: A file of uint8 (N, C, H, W), in C order.

    Raises:
        InputError: The file is missing, cut short, or of another type or shape.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            mapped = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path} cannot be mapped as an array ({error})") from error
        if mapped.dtype != np.uint8 or mapped.ndim != 4 or not mapped.flags.c_contiguous:
            raise InputError(
                f"{path} holds {mapped.dtype} of shape {mapped.shape}; "
                "expected uint8 (N, C, H, W) in C order"
            )
        self._mapped = np.asarray(mapped)
        self.shape = (mapped.shape[0], mapped.shape[1], mapped.shape[2], mapped.shape[3])

    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions, copied from the map."""
        return torch.from_numpy(self._mapped.take(positions.numpy(), axis=0))

    def __reduce__(self) -> tuple[type[MappedPixels], tuple[Path]]:
        return MappedPixels, (self.path,)
