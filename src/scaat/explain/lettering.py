"""Text in pictures, safe against whatever a file or a class is called."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Literal

import matplotlib
from PIL import ImageDraw, ImageFont

from scaat.report.figures.style import INK

PAPER = "#ffffff"
ELLIPSIS = "…"


def printable(text: str | Path) -> str:
    """Return text on one line without control characters, each of which becomes ``�``."""
    decoded = os.fsencode(text).decode(errors="replace")
    return "".join(character if character.isprintable() else "�" for character in decoded)


@cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with Matplotlib, in pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


def shortened(
    text: str,
    width: float,
    face: ImageFont.FreeTypeFont,
    *,
    keep: Literal["start", "both"] = "start",
) -> str:
    """Return the text, or as much of it as is ``width`` pixels wide, with an ellipsis.

    Args:
        text: On one line.
        width: In pixels.
        face: The font.
        keep: ``both`` ends keeps a file's ending and number.
    """
    if face.getlength(text) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        tail = length // 2 if keep == "both" else 0
        shorter = text[: length - tail] + ELLIPSIS + text[len(text) - tail :]
        if face.getlength(shorter) <= width:
            return shorter
    return ELLIPSIS


def wrapped(text: str, width: float, face: ImageFont.FreeTypeFont) -> list[str]:
    """Return the text in lines of at most ``width`` pixels, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if face.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def write(
    draw: ImageDraw.ImageDraw,
    position: tuple[float, float],
    text: str,
    face: ImageFont.FreeTypeFont,
    colour: str = INK,
) -> None:
    """Draw one line of text with its top left corner at ``position``."""
    draw.text(position, text, fill=colour, font=face, anchor="la")
