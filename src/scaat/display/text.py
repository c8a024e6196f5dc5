"""Text in pictures, and the names of images and models in pictures and files."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import matplotlib
from PIL import ImageFont

PAPER = "#ffffff"
ELLIPSIS = "…"


def printable(text: str | Path) -> str:
    """Return text on one line without control characters, each of which becomes ``�``."""
    decoded = os.fsencode(text).decode(errors="replace")
    kept = (c.isprintable() or unicodedata.category(c) == "Zs" for c in decoded)
    return "".join(c if keep else "�" for c, keep in zip(decoded, kept, strict=True))


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
    """Return text, or as much of its start or ``both`` ends as fits ``width`` pixels, and "…"."""
    if face.getlength(text) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        tail = length // 2 if keep == "both" else 0
        shorter = text[: length - tail] + ELLIPSIS + text[len(text) - tail :]
        if face.getlength(shorter) <= width:
            return shorter
    return ELLIPSIS


LONGEST = 80  # bytes; three such parts and an ending fit the 255 that file systems take


def titles(paths: Sequence[Path]) -> list[str]:
    """Return a title for each different path: as few of its last parts as distinguish it."""
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    different = len(set(parts))
    depth = 1
    while len({part[-depth:] for part in parts}) < different:
        depth += 1
    return ["/".join(part[-depth:]).lstrip("/") for part in parts]


def safe_names(texts: Iterable[str]) -> list[str]:
    """Return a different file name (without ending) for each text.

    Letters, digits, dots, dashes and underscores stay, anything else becomes ``_``. Where two
    texts would have one name, also on file systems that ignore case and Unicode forms, the later
    gets a number.
    """
    taken: set[str] = set()
    names = []
    for text in texts:
        base = unicodedata.normalize("NFC", text.encode(errors="replace").decode())
        base = re.sub(r"-{2,}", "-", re.sub(r"[^\w.-]+", "_", base))  # "--" separates names
        base = base.encode()[:LONGEST].decode(errors="ignore").strip("._-") or "unnamed"
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names
