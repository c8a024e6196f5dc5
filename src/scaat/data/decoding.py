"""From encoded images to one tensor of pixels, with one geometry for images, masks and boxes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from scaat.data.image_set import ImageSet, Pixels
from scaat.errors import InputError
from scaat.hardware import available_memory

if TYPE_CHECKING:
    from PIL import Image, ImageFile

Encoded = tuple[str, "Path | bytes | None"]
"""What messages call an image, and its file or bytes."""
Take = Callable[[Tensor], Iterator[Encoded]]
"""Yields the images at int64 (M,) positions. Picklable: worker processes read for themselves."""
Like = tuple[str, tuple[int, int]]
"""What messages call an image, and its height and width."""
CHANNELS = 3
TASK = 32  # images that a thread takes at once, at most
WINDOW = 64  # tasks in flight: bounds the encoded bytes in memory
_SIXTEEN_BITS = re.compile(";16[BLN]")  # in Pillow's raw modes; "BGR;16" has 16 in all
_ORIENTATION = 0x0112  # EXIF's tag, and its values for images that lie on their side
_ON_ITS_SIDE = (5, 6, 7, 8)


class DecodedPixels(Pixels):
    """Encoded images that are decoded at each reading, in the process that reads.

    The size is the one at position ``like``, which all must have, or `fit` makes it ``image_size``.
    """

    encoded = True

    def __init__(self, take: Take, count: int, image_size: int | None, like: int) -> None:
        self._take = take
        self._image_size = image_size
        (first,) = take(torch.tensor([like]))
        self._like = _decoded_size(first, image_size)
        self.shape = (count, CHANNELS, *self._like[1])

    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions."""
        encoded = self._take(positions)
        return decode_images(encoded, len(positions), self._image_size, self._like)[0]


def decode_images(
    encoded: Iterable[Encoded], count: int, image_size: int | None, like: Like | None = None
) -> tuple[Tensor, Tensor]:
    """Decode images in a pool of threads; in a `DataLoader`'s worker process, in one thread.

    Without ``image_size``, to which `fit` makes them, all must have the size of the image ``like``,
    by default the first one. Returned are the images, uint8 RGB (count, 3, H, W), and each one's
    height and width before, int64 (count, 2).

    Raises:
        InputError: an image cannot be read, has more than 8 bits a channel or another size than the
            first one, or all of them do not fit in memory.
    """
    stream = iter(encoded)
    if like is None:
        first = next(stream)
        stream = chain([first], stream)
        like = _decoded_size(first, image_size)
        height, width = like[1]
        require_memory(count, CHANNELS, height, width)
    name, (height, width) = like
    images = np.empty((count, CHANNELS, height, width), np.uint8)
    sizes = np.empty((count, 2), np.int64)

    def work(task: tuple[int, list[Encoded]]) -> None:
        start, items = task
        for position, item in enumerate(items, start):
            pixels, sizes[position] = decode_image(item, image_size)
            if pixels.shape[:2] != (height, width):
                raise InputError(
                    f"{item[0]} is {pixels.shape[0]}x{pixels.shape[1]} but {name} is "
                    f"{height}x{width}; expected one size (height x width), or set image_size to "
                    "resize them"
                )
            images[position] = pixels.transpose(2, 0, 1)

    threads = 1 if get_worker_info() else os.cpu_count() or 1
    tasks = _tasks(stream, min(TASK, -(-count // threads)))
    with ThreadPoolExecutor(threads) as pool:
        while window := list(islice(tasks, WINDOW)):
            list(pool.map(work, window))  # the list raises a thread's error here
    return torch.from_numpy(images), torch.from_numpy(sizes)


def decode_image(
    item: Encoded, image_size: int | None
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return the pixels, uint8 (H, W, 3), and the height and width before any resizing.

    It is an `InputError` if they cannot be read, or have more than 8 bits a channel.
    """
    from PIL import ImageOps

    with opened(item) as file:
        _require_8_bits(item[0], file)
        file.load()
        image = ImageOps.exif_transpose(file)
    image = image.convert("RGB")
    size = (image.height, image.width)
    if image_size is not None:
        image = fit(image, image_size)
    return np.asarray(image), size


def read_size(item: Encoded) -> tuple[int, int]:
    """Return an upright image's height and width from its header; raises as `decode_image`."""
    from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

    with opened(item) as image:
        _require_8_bits(item[0], image)
        # Pillow looks for a PNG's EXIF behind the pixels, too, and decodes them for that.
        described = image.format != "PNG" or "exif" in image.info
        turned = described and image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
        width, height = image.size
        if isinstance(image, TiffImageFile):  # recent versions of Pillow turn its size
            width, height = image.tag_v2[IMAGEWIDTH], image.tag_v2[IMAGELENGTH]
    return (width, height) if turned else (height, width)


def fit(image: Image.Image, size: int, *, nearest: bool = False) -> Image.Image:
    """Resize the shorter side to ``size`` (antialiased bilinear) and crop the centre square."""
    from PIL import Image, ImageOps

    resampling = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    return ImageOps.fit(image, (size, size), resampling)


def fit_boxes(boxes: Tensor, sizes: Tensor, size: int) -> Tensor:
    """Return boxes, float32 (N, 4), x0, y0, x1, y1 in pixels, after `fit` to ``size``.

    They are cut at the border; one cropped away entirely has no area. ``sizes``, int64 (N, 2), are
    the images' heights and widths before.
    """
    shorter = sizes.amin(dim=1, keepdim=True)
    offset = (sizes - shorter).flip(1) / 2  # x, y
    return ((boxes - offset.repeat(1, 2)) * (size / shorter)).clamp(0, size)


def fit_set(images: ImageSet, size: int | None) -> ImageSet:
    """Return a set whose images, masks and boxes `fit` made square; None changes nothing."""
    if size is None or images.image_size == (size, size):
        return images
    from PIL import Image

    count = len(images)
    require_memory(count, images.channels, size, size)
    resized = np.empty((count, size, size, images.channels), np.uint8)
    for position, pixels in enumerate(images.pixels().permute(0, 2, 3, 1).numpy()):
        image = Image.fromarray(pixels.squeeze(-1) if images.channels == 1 else pixels)
        resized[position] = np.asarray(fit(image, size)).reshape(size, size, -1)
    masks, boxes = images.masks, images.boxes
    if masks is not None:
        squares = [fit(Image.fromarray(mask), size, nearest=True) for mask in masks.numpy()]
        masks = torch.from_numpy(np.array([np.asarray(s) for s in squares]).reshape(-1, size, size))
    if boxes is not None:
        boxes = fit_boxes(boxes, torch.tensor([images.image_size]).expand(count, 2), size)
    changed = torch.from_numpy(resized).permute(0, 3, 1, 2).contiguous()
    return replace(images, images=changed, masks=masks, boxes=boxes)


def require_memory(count: int, channels: int, height: int, width: int) -> None:
    """Raise `InputError` if so many uint8 images need more memory than is available."""
    available, needed = available_memory(), count * channels * height * width
    if available is not None and needed > available:
        raise InputError(
            f"{count} images of {height}x{width} need {needed / 2**30:.1f} GiB of memory decoded "
            f"and {available / 2**30:.1f} GiB are available; set image_size or train_limit lower"
        )


def _decoded_size(item: Encoded, image_size: int | None) -> Like:
    height, width, _ = decode_image(item, image_size)[0].shape
    return item[0], (height, width)


@contextmanager
def opened(item: Encoded) -> Iterator[ImageFile.ImageFile]:
    """Open an image; whatever fails inside is an `InputError`, too."""
    from PIL import Image, UnidentifiedImageError

    name, source = item
    if source is None:
        raise InputError(f"{name} holds no image bytes; expected an encoded image")
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as image:
            yield image
    except InputError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on corrupt bytes
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "Pillow knows no such format" if unknown else error
        raise InputError(f"{name} cannot be read as an image ({reason})") from error


def _require_8_bits(name: str, image: ImageFile.ImageFile) -> None:
    """Refuse an image, not yet loaded, whose conversion to 8 bits would clip or cut its values."""
    from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

    if image.mode.startswith(("I", "F")):
        raise InputError(f"{name} has mode {image.mode!r}; expected 8 bits a channel")
    if isinstance(image, TiffImageFile):
        deep = max(image.tag_v2.get(BITSPERSAMPLE, (1,))) > 8
    else:
        deep = _SIXTEEN_BITS.search(str(image.tile)) is not None
    if deep:
        raise InputError(f"{name} has 16 bits a channel; expected 8 bits a channel")


def _tasks(stream: Iterator[Encoded], size: int) -> Iterator[tuple[int, list[Encoded]]]:
    start = 0
    while items := list(islice(stream, size)):
        yield start, items
        start += len(items)
