"""The contact sheet: images down, saliency methods and models across."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from scaat.display.overlay import DISPLAY_RULE, borders, heat_colours
from scaat.display.style import INK, MUTED, RULE
from scaat.display.text import PAPER, font, shortened

CELL = 192  # pixels of a picture's longer side, or as near as whole-numbered magnification comes
MARGIN, GAP, GROUP_GAP = 24, 8, 28
HEAD, HEAD_LINE, LINE, CAPTION_GAP = 52, 22, 18, 5
BAR = (160, 12)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Cell:
    """One picture of the sheet, uint8 RGB (H, W, 3)."""

    pixels: Pixels
    caption: tuple[str, str]
    """Below it: a name, shortened where it is too long, and what follows it."""
    note: str = ""
    """A second, paler line."""
    mask: NDArray[Any] | None = None
    """A region (H, W) whose edge is drawn."""


@dataclass(frozen=True)
class Group:
    """Columns under one heading, each with its own."""

    heading: str
    columns: tuple[str, ...]


def contact_sheet(groups: Sequence[Group], rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Draw a sheet; every row has a cell for each column of the groups, in their order."""
    pictures = [[_picture(cell) for cell in row] for row in rows]
    side = max([CELL, *(picture.width for row in pictures for picture in row)])
    lefts, left = [], MARGIN
    for group in groups:
        lefts += [left + place * (side + GAP) for place in range(len(group.columns))]
        left = lefts[-1] + side + GROUP_GAP
    width = lefts[-1] + side + MARGIN
    heights = [max(picture.height for picture in row) for row in pictures]
    captions = CAPTION_GAP + LINE * (2 if any(cell.note for row in rows for cell in row) else 1)
    rule = textwrap.wrap(DISPLAY_RULE, (width - 2 * MARGIN) // 7)  # a letter is narrower
    foot = MARGIN // 2 + LINE * (1 + len(rule)) + MARGIN
    height = MARGIN + HEAD + sum(heights) + len(rows) * (captions + GAP) + foot
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    _heads(draw, groups, lefts, side)
    top = MARGIN + HEAD
    for row, row_pictures, height in zip(rows, pictures, heights, strict=True):
        for cell, picture, left in zip(row, row_pictures, lefts, strict=True):
            sheet.paste(picture, (left, top + height - picture.height))
            _caption(draw, cell, (left, top + height + CAPTION_GAP), side)
        top += height + captions + GAP
    _foot(sheet, draw, top + MARGIN // 2, rule)
    return sheet


def magnified(pixels: Pixels, side: int, *, shrink: bool = True) -> Image.Image:
    """Return a picture whose longer side is near ``side`` pixels.

    A small one is magnified by a whole number, so that pixels stay blocks of one colour; one over
    1.5 times ``side`` is scaled down, if ``shrink``.
    """
    image = Image.fromarray(pixels)
    longer = max(image.size)
    if shrink and longer > 1.5 * side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        return image
    factor = max(1, side // longer)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _picture(cell: Cell) -> Image.Image:
    picture = magnified(cell.pixels, CELL)
    if cell.mask is not None:
        draw, scale = ImageDraw.Draw(picture), picture.width / cell.mask.shape[1]
        for colour, width in (("black", 4), ("white", 2)):  # one is visible on any background
            for line in borders(cell.mask):
                draw.line([(scale * x, scale * y) for x, y in line], colour, width)
    return picture


def _heads(
    draw: ImageDraw.ImageDraw, groups: Sequence[Group], lefts: Sequence[int], side: int
) -> None:
    bold, plain = font(15, bold=True), font(13)
    places, line = iter(lefts), MARGIN + HEAD_LINE
    for group in groups:
        columns = [(next(places), name) for name in group.columns]
        left, right = columns[0][0], columns[-1][0] + side
        heading = shortened(group.heading, right - left, bold)
        draw.text((left, MARGIN), heading, INK, bold)
        if any(group.columns):
            draw.line([(left, line), (right, line)], fill=RULE)
        for place, name in columns:
            text = shortened(name, side, plain, keep="both")
            draw.text((place, line + 5), text, MUTED, plain)


def _caption(draw: ImageDraw.ImageDraw, cell: Cell, position: tuple[int, int], side: int) -> None:
    face, small = font(13), font(12)
    name, tail = cell.caption
    name = shortened(name, side - face.getlength(tail), face, keep="both")
    draw.text(position, name + tail, INK, face)
    if cell.note:
        below = (position[0], position[1] + LINE)
        draw.text(below, shortened(cell.note, side, small, keep="both"), MUTED, small)


def _foot(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int, rule: Sequence[str]) -> None:
    width, height = BAR
    ramp = np.linspace(0, 1, width)[None].repeat(height, 0)
    face = font(12)
    draw.text((MARGIN, top), "low", MUTED, face)
    left = MARGIN + int(face.getlength("low")) + 8
    sheet.paste(Image.fromarray(heat_colours(ramp)), (left, top + 2))
    draw.text((left + width + 8, top), "high", MUTED, face)
    for number, line in enumerate(rule, start=1):
        draw.text((MARGIN, top + number * LINE), line, MUTED, face)
