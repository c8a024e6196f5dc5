"""Image files that a user names one by one, read strictly: no silent conversion."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scaat.data.decoding import Encoded, decode_image, opened
from scaat.data.folder import SUFFIXES, images_below
from scaat.errors import InputError

Resize = Literal["crop", "stretch"]

LOSSLESS = {
    "RGB": None,
    "1": "black and white to RGB",
    "L": "grey to RGB",
    "P": "palette to RGB",
    "RGBA": "opaque alpha dropped",
    "LA": "grey with opaque alpha to RGB",
}
"""Pillow's modes that become 8-bit RGB without loss, and what messages call that."""


@dataclass(frozen=True)
class Picture:
    """An image file without its pixels."""

    path: Path
    size: tuple[int, int]  # height and width, in pixels, turned upright
    conversion: str | None  # what was done, without loss, to get RGB; None for an RGB file


def find_images(inputs: Sequence[str]) -> list[Path]:
    """Return the image files that files, folders and glob patterns name, each once.

    For a folder see `images_below`; ``**`` in a pattern matches folders of any depth. What is
    missing, holds no image or matches none is an `InputError`.
    """
    unique: dict[Path, Path] = {}
    for text in inputs:
        path = Path(text).expanduser()
        if path.is_file():
            files = [path]
        elif path.is_dir():
            files = images_below(path)
            if not files:
                raise InputError(
                    f"folder {text!r} holds no images; expected files of type "
                    f"{', '.join(sorted(SUFFIXES))}"
                )
        elif glob.has_magic(text):
            matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
            files = [match for match in matches if match.is_file()]
            if not files:
                raise InputError(f"pattern {text!r} matches no file")
        else:
            raise InputError(
                f"image {text!r} does not exist; expected a file, a folder or a pattern"
            )
        for file in files:
            unique.setdefault(file.resolve(), file)
    return list(unique.values())


def read_picture(path: Path) -> tuple[Picture, NDArray[np.uint8]]:
    """Read an image file whose pixels are 8-bit RGB, uint8 (H, W, 3), or become so without loss.

    It is turned upright by its EXIF orientation. `decode_image` is more lenient with data sets: it
    converts CMYK and drops alpha as Pillow does.

    Raises:
        InputError: The file is not an image, is damaged, has several frames, transparent pixels,
            CMYK or other colours than RGB, or more than 8 bits a channel.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"image {str(path)!r} cannot be read ({error.strerror})") from error
    item = (f"image {str(path)!r}", content)
    pixels, size = decode_image(item, None)  # refuses what is no whole image
    return Picture(path, size, LOSSLESS[_lossless_mode(item)]), pixels


def fit_picture(
    picture: Picture, pixels: NDArray[np.uint8], size: tuple[int, int], resize: Resize | None
) -> Tensor:
    """Return a picture in a model's input size, uint8 (3, H, W).

    Args:
        picture: Of any size.
        pixels: Its pixels, uint8 RGB (H, W, 3).
        size: The model's height and width, in pixels.
        resize: For a picture of another size: ``crop`` scales until one side fits and cuts the
            other evenly, as ``image_size`` does for training; ``stretch`` scales both sides and
            changes the proportions. Both are bilinear with antialiasing. None refuses.

    Raises:
        InputError: The picture has another size and ``resize`` is None.
    """
    from PIL import Image, ImageOps

    if picture.size != size:
        if resize is None:
            raise InputError(
                f"image {str(picture.path)!r} is {picture.size[0]}x{picture.size[1]} and the model "
                f"takes {size[0]}x{size[1]} (height x width): give --resize crop or --resize "
                "stretch, or an image of that size"
            )
        image = Image.fromarray(pixels)
        target = (size[1], size[0])
        if resize == "crop":
            image = ImageOps.fit(image, target, Image.Resampling.BILINEAR)
        else:
            image = image.resize(target, Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def _lossless_mode(item: Encoded) -> str:
    """Return Pillow's mode of an image, if RGB loses nothing of it."""
    name, _ = item
    with opened(item) as image:
        # A camera's MPO holds the picture first, then previews or a depth map.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1:
            raise InputError(f"{name} has {frames} frames or pages; expected a still image of one")
        mode = str(image.mode)
        if mode not in LOSSLESS:
            raise InputError(f"{name} has mode {mode!r}; expected RGB or grey: convert it first")
        alpha = "A" in image.getbands() or "transparency" in image.info
        if alpha and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
            raise InputError(
                f"{name} has transparent pixels; expected none: flatten it onto a background first"
            )
        return mode
