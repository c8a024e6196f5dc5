"""Images that are decoded when they are asked for, and the choice to do so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from scaat.data.decoding import Encoded, decode_images, decoded_size
from scaat.data.image_set import ImageSet
from scaat.data.pixels import Pixels
from scaat.data.registry import Part


class EncodedImages(Protocol):
    """Encoded images by position. It can be pickled: worker processes read for themselves."""

    def __len__(self) -> int:
        """Return their number."""

    def take(self, positions: Tensor) -> Iterator[Encoded]:
        """Yield each image's name for messages, and its file or bytes."""


class Files:
    """Image files.

    Args:
        paths: One an image.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [str(path) for path in paths]  # a third of the memory of Path objects

    def __len__(self) -> int:
        return len(self._paths)

    def take(self, positions: Tensor) -> Iterator[Encoded]:
        """Yield the files at these positions."""
        for position in positions.tolist():
            yield self._paths[position], Path(self._paths[position])


class DecodedPixels(Pixels):
    """Encoded images that are decoded at each reading, in the process that reads.

    Args:
        encoded: The images.
        image_size: See `scaat.data.resizing.fit`; None leaves them as they are.
        like: Position of the image whose size all that are read must have.

    Raises:
        InputError: That image cannot be read.
    """

    encoded = True

    def __init__(self, encoded: EncodedImages, image_size: int | None, like: int) -> None:
        self._encoded = encoded
        self._image_size = image_size
        (first,) = encoded.take(torch.tensor([like]))
        self._like = decoded_size(first, image_size)
        self.shape = (len(encoded), 3, *self._like[1])

    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions."""
        encoded = self._encoded.take(positions)
        return decode_images(encoded, len(positions), self._image_size, self._like)[0]


def encoded_part(
    encoded: EncodedImages, labels: Tensor, classes: tuple[str, ...], image_size: int | None
) -> Part:
    """Return encoded images as a part of a data set, to be decoded at once or when needed."""

    def load(positions: Tensor) -> ImageSet:
        images, _ = decode_images(encoded.take(positions), len(positions), image_size)
        return ImageSet(images, labels[positions], classes)

    def lazy(positions: Tensor) -> ImageSet:
        # As in memory, where the first image that is used decides: others may be broken.
        pixels = DecodedPixels(encoded, image_size, int(positions[0])).view(positions)
        return ImageSet(pixels, labels[positions], classes)

    return Part(labels, load, lazy=lazy, encoded=encoded.take)
