"""Pictures as the page holds them: data addresses of small PNGs and of charts in SVG."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from scaat.report.examples import display_map
from scaat.report.figures.style import HEAT
from scaat.report.source import Array

_PALETTE = (HEAT[:, :3] * 255).round().astype(np.uint8).tobytes()

# What the charts are drawn in, and the same on a dark ground: as light there as dark here.
_DARK = {
    "#1d2329": "#e7e8e4",
    "#5c6670": "#a3abb1",
    "#d9dcd8": "#353c41",
    "#9aa1a8": "#6d767d",
    "#ffffff": "#14181b",
    "#d55e00": "#f0873a",
    "#0072b2": "#52aee6",
    "#009e73": "#35c79c",
    "#cc79a7": "#dd93bb",
    "#b38600": "#d8ab2c",
    "#56b4e9": "#8fd0f5",
}


@dataclass(frozen=True)
class Chart:
    """A drawn figure; ``svg`` is the file's content, on a transparent ground."""

    name: str
    svg: bytes
    caption: str
    alt: str
    width: int
    """CSS pixels."""
    height: int

    @property
    def light(self) -> str:
        """Return the picture as a data address."""
        return data_address(self.svg, "image/svg+xml")

    @property
    def dark(self) -> str:
        """Return the picture in the colours for a dark ground."""
        text = re.sub(
            "|".join(_DARK), lambda found: _DARK[found[0]], self.svg.decode(), flags=re.ASCII
        )
        return data_address(text.encode(), "image/svg+xml")


def photo(image: Array) -> str:
    """Return an image, uint8 (1 or 3, H, W), as the data address of a PNG."""
    return _png(Image.fromarray(np.ascontiguousarray(np.moveaxis(image, 0, -1).squeeze())))


def heat(saliency: Array) -> str:
    """Return a map (H, W) as the data address of an 8-bit PNG: colour and opacity by level."""
    levels = Image.fromarray((display_map(saliency) * 255).round().astype(np.uint8)).convert("L")
    levels = Image.frombytes("P", levels.size, levels.tobytes())
    levels.putpalette(_PALETTE)
    return _png(levels, transparency=bytes(range(256)))


def outline(mask: Array) -> str:
    """Return the edge of a region (H, W) as an SVG path along the borders of its pixels."""
    inside = np.pad(np.asarray(mask, dtype=bool), 1)
    parts = []
    # Between each pixel and the one above it, then the one to its left.
    for edges, turned in (
        (inside[1:, 1:-1] != inside[:-1, 1:-1], False),
        ((inside[1:-1, 1:] != inside[1:-1, :-1]).T, True),
    ):
        for line, row in enumerate(edges):
            steps = np.diff(np.concatenate([[0], row.astype(np.int8), [0]]))
            for start, end in zip(
                np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True
            ):
                parts.append(
                    f"M{line} {start}v{end - start}" if turned else f"M{start} {line}h{end - start}"
                )
    return "".join(parts)


def data_address(content: bytes, kind: str) -> str:
    """Return content as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _png(image: Image.Image, **options: bytes) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True, **options)
    return data_address(stream.getvalue(), "image/png")
