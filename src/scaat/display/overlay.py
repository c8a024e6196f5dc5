"""A saliency map as heat over its image: as pixels, and as the pictures that a page holds."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]

_PERCENTILE = 99.0

DISPLAY_RULE = (
    f"Every map is divided by its own {_PERCENTILE:.0f}th percentile and clipped at 1, the same "
    "rule for all methods; brighter and more opaque is more relevant."
)

# Dark violet over red to pale yellow: rises in lightness, so it reads in grey and to the
# colour-blind; drawn with a transparency that rises too: the image shows where a map is low.
HEAT: Array = LinearSegmentedColormap.from_list(
    "heat", ["#3b0f70", "#8c2981", "#de4968", "#fe9f6d", "#fcfdbf"]
)(np.arange(256))
"""The colours of 256 levels of saliency, (256, 4) in [0, 1]."""
_PALETTE = (HEAT[:, :3] * 255).round().astype(np.uint8).tobytes()


def display_map(saliency: Array) -> Array:
    """Return a map scaled for display to [0, 1]: over its own 99th percentile, clipped.

    Where that is 0 a map is divided by its maximum; a map of zeros stays zero.
    """
    top = np.percentile(saliency, _PERCENTILE) or saliency.max() or 1.0
    return np.clip(saliency / top, 0.0, 1.0)


def overlay(image: NDArray[np.uint8], saliency: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a map's heat, more opaque where it is higher, over its image in dark grey.

    ``image`` is uint8 (H, W, 1 or 3), ``saliency`` finite and not negative (H, W), scaled by
    `display_map`; the result is uint8 RGB (H, W, 3).
    """
    heat = display_map(saliency)
    opacity = heat[..., None]
    blended: NDArray[np.float64] = dark_grey(image) * (1 - opacity) + heat_colours(heat) * opacity
    return np.rint(blended).astype(np.uint8)


def heat_colours(levels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the colours of levels in [0, 1]: uint8 RGB, one axis more."""
    colours: NDArray[np.float64] = HEAT[np.rint(levels * 255).astype(int), :3]
    return np.rint(colours * 255).astype(np.uint8)


def dark_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luminance of (H, W, C) at half its contrast: uint8 RGB (H, W, 3).

    Dark, so that the hottest colour, a pale yellow, shows on white paper and bright tissue too.
    """
    weights = np.array([0.299, 0.587, 0.114]) if image.shape[-1] == 3 else np.ones(1)
    grey = 30 + 0.5 * (image @ weights)
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=-1)


def photo(image: Array) -> str:
    """Return an image, uint8 (1 or 3, H, W), as the data address of a PNG."""
    pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
    return _png(Image.fromarray(np.ascontiguousarray(pixels)))


def heat(saliency: Array) -> str:
    """Return a map (H, W) as the data address of an 8-bit PNG: colour and opacity by level."""
    levels = Image.fromarray((display_map(saliency) * 255).round().astype(np.uint8)).convert("L")
    levels = Image.frombytes("P", levels.size, levels.tobytes())
    levels.putpalette(_PALETTE)
    return _png(levels, transparency=bytes(range(256)))


def borders(mask: Array) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the edge of a region (H, W) as lines along its pixels: from (x, y), to (x, y)."""
    inside = np.pad(np.asarray(mask, dtype=bool), 1)
    lines = []
    # Between each pixel and the one above it, then the one to its left.
    for edges, turned in (
        (inside[1:, 1:-1] != inside[:-1, 1:-1], False),
        ((inside[1:-1, 1:] != inside[1:-1, :-1]).T, True),
    ):
        for line, row in enumerate(edges):
            steps = np.diff(np.concatenate([[0], row.astype(np.int8), [0]]))
            starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                lines.append(
                    ((line, start), (line, end)) if turned else ((start, line), (end, line))
                )
    return lines


def outline(mask: Array) -> str:
    """Return the edge of a region (H, W) as an SVG path along the borders of its pixels."""
    return "".join(
        f"M{x} {y}h{right - x}" if bottom == y else f"M{x} {y}v{bottom - y}"
        for (x, y), (right, bottom) in borders(mask)
    )


def data_address(content: bytes, kind: str) -> str:
    """Return content as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _png(image: Image.Image, **options: bytes) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True, **options)
    return data_address(stream.getvalue(), "image/png")
