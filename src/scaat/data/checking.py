"""Decode everything once and name what is broken."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from scaat.data.conversion import CHUNK, Progress
from scaat.data.registry import Part, Source
from scaat.errors import InputError


def broken_images(source: Source, progress: Progress) -> Iterator[str]:
    """Yield a sentence for each image that cannot be read, or has another size than the rest.

    Args:
        source: The data.
        progress: Called after every chunk of images.
    """
    for name, part in source.parts.items():
        done = 0
        for positions in torch.split(torch.arange(len(part.labels)), CHUNK):
            yield from _broken(part, positions)
            done += len(positions)
            progress(name, done, len(part.labels))


def _broken(part: Part, positions: Tensor) -> Iterator[str]:
    """Halve what cannot be read until the images at fault are left."""
    try:
        part.load(positions)
    except InputError as error:
        if len(positions) == 1:
            yield str(error)
            return
        half = len(positions) // 2
        found = [*_broken(part, positions[:half]), *_broken(part, positions[half:])]
        yield from found or [str(error)]  # each is readable: they differ in size
