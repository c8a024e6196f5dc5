"""Pictures that a page holds."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from scaat.display.overlay import photo


@pytest.mark.parametrize(
    ("shape", "mode"),
    [((3, 5, 1), "RGB"), ((3, 1, 5), "RGB"), ((1, 5, 1), "L"), ((3, 5, 4), "RGB")],
)
def test_a_picture_keeps_its_size_and_colours(shape: tuple[int, int, int], mode: str) -> None:
    address = photo(np.zeros(shape, dtype=np.uint8))
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert (picture.mode, picture.size) == (mode, (shape[2], shape[1]))
