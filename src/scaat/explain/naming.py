"""What images and models are called in pictures and in file names."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

LONGEST = 80  # bytes; three such parts and an ending fit the 255 that file systems take


def titles(paths: Sequence[Path]) -> list[str]:
    """Return a different title for each path: as few of its last parts as tell it from others.

    Paths that are one and the same have one title.
    """
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    different = len(set(parts))
    depth = 1
    while len({part[-depth:] for part in parts}) < different:
        depth += 1
    return ["/".join(part[-depth:]).lstrip("/") for part in parts]


def safe_names(texts: Iterable[str]) -> list[str]:
    """Return a different file name (without ending) for each text.

    Letters, digits, dots, dashes and underscores stay, anything else becomes ``_``. Where two
    texts would have one name, also on file systems that tell neither case nor Unicode forms
    apart, the later gets a number.
    """
    taken: set[str] = set()
    names = []
    for text in texts:
        base = _safe(text)
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _safe(text: str) -> str:
    text = unicodedata.normalize("NFC", text.encode(errors="replace").decode())
    text = re.sub(r"-{2,}", "-", re.sub(r"[^\w.-]+", "_", text))  # "--" stands between names
    return text.encode()[:LONGEST].decode(errors="ignore").strip("._-") or "unnamed"
