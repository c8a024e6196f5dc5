"""From encoded images to one tensor of pixels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from scaat.data.memory import require_memory
from scaat.data.resizing import fit
from scaat.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

Encoded = tuple[str, "Path | bytes | None"]  # how messages call an image, and where it is
Like = tuple[str, tuple[int, int]]  # how messages call an image, and its height and width
CHANNELS = 3
TASK = 32  # images a thread takes at once, at most: enough to hide the cost of handing them over
WINDOW = 64  # tasks in flight: bounds the encoded bytes in memory
_ORIENTATION = 0x0112  # EXIF's tag, and its values for images that lie on their side
_ON_ITS_SIDE = (5, 6, 7, 8)


def decode_images(
    encoded: Iterable[Encoded], count: int, image_size: int | None, like: Like | None = None
) -> tuple[Tensor, Tensor]:
    """Decode images in a pool of threads (Pillow frees the interpreter while it decodes).

    In a worker process of a `DataLoader` one thread decodes: the other cores have workers too.

    Args:
        encoded: the images in order, each as a name for messages and a file or its bytes.
        count: how many there are.
        image_size: see `scaat.data.resizing.fit`; None leaves every image as it is, and all
            sizes must then agree.
        like: the image whose size all must have; the first one by default.

    Returns:
        The images, uint8 RGB (count, 3, H, W), and the height and width that each had before,
        int64 (count, 2).

    Raises:
        InputError: an image cannot be read, has more than 8 bits a channel or another size than
            the first one, or all of them do not fit in memory.
    """
    stream = iter(encoded)
    if like is None:
        first = next(stream)
        stream = chain([first], stream)
        like = decoded_size(first, image_size)
        height, width = like[1]
        require_memory(count * CHANNELS * height * width, f"{count} images of {height}x{width}")
    name, (height, width) = like
    images = np.empty((count, CHANNELS, height, width), np.uint8)
    sizes = np.empty((count, 2), np.int64)

    def work(task: tuple[int, list[Encoded]]) -> None:
        start, items = task
        for position, item in enumerate(items, start):
            pixels, sizes[position] = decode_image(item, image_size)
            if pixels.shape[:2] != (height, width):
                raise InputError(
                    f"{item[0]} is {_size(pixels.shape)} but {name} is {height}x{width}; "
                    "expected one size (height x width), or set image_size to resize them"
                )
            images[position] = pixels.transpose(2, 0, 1)

    threads = 1 if get_worker_info() else os.cpu_count() or 1
    tasks = _tasks(stream, min(TASK, -(-count // threads)))
    with ThreadPoolExecutor(threads) as pool:
        while window := list(islice(tasks, WINDOW)):
            list(pool.map(work, window))  # the list brings a thread's error here
    return torch.from_numpy(images), torch.from_numpy(sizes)


def decoded_size(item: Encoded, image_size: int | None) -> Like:
    """Return how messages call an image, and the height and width that it is decoded to."""
    height, width, _ = decode_image(item, image_size)[0].shape
    return item[0], (height, width)


def read_size(item: Encoded) -> tuple[int, int]:
    """Return the height and width of an image, turned upright, from its header alone.

    Raises:
        InputError: It is no image, or has more than 8 bits a channel.
    """
    with _opened(item) as image:
        # Pillow looks for a PNG's EXIF behind the pixels, too, and decodes them for that.
        described = image.format != "PNG" or "exif" in image.info
        turned = described and image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
        width, height, mode = image.width, image.height, image.mode
    _require_8_bits(item[0], mode)
    return (width, height) if turned else (height, width)


def decode_image(
    item: Encoded, image_size: int | None
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return the pixels, uint8 (H, W, 3), and the height and width before any resizing."""
    from PIL import ImageOps

    with _opened(item) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened)
    _require_8_bits(item[0], image.mode)
    image = image.convert("RGB")
    size = (image.height, image.width)
    if image_size is not None:
        image = fit(image, image_size)
    return np.asarray(image), size


@contextmanager
def _opened(item: Encoded) -> Iterator[Image.Image]:
    """Open an image; what goes wrong with it inside is an `InputError`, too."""
    from PIL import Image, UnidentifiedImageError

    name, source = item
    if source is None:
        raise InputError(f"{name} holds no image bytes; expected an encoded image")
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as opened:
            yield opened
    except Exception as error:  # Pillow's plugins raise nearly anything on corrupt bytes
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "Pillow knows no such format" if unknown else error
        raise InputError(f"{name} cannot be read as an image ({reason})") from error


def _require_8_bits(name: str, mode: str) -> None:
    if mode.startswith(("I", "F")):  # conversion would clip such values, not scale them
        raise InputError(f"{name} has mode {mode!r}; expected 8 bits a channel")


def _tasks(stream: Iterator[Encoded], size: int) -> Iterator[tuple[int, list[Encoded]]]:
    start = 0
    while items := list(islice(stream, size)):
        yield start, items
        start += len(items)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]}"
