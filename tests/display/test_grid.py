"""Overlays, lettering and the contact sheet."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from scaat.display.grid import CELL, Cell, Group, contact_sheet, magnified
from scaat.display.overlay import dark_grey, heat_colours, overlay
from scaat.display.text import font, printable, shortened

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def test_no_saliency_shows_the_image_in_grey_and_the_most_hides_it() -> None:
    saliency = np.zeros((6, 8), np.float32)
    saliency[2, 3] = 1e-7  # the scale is the map's own
    actual = overlay(IMAGE, saliency)
    expected = dark_grey(IMAGE)
    expected[2, 3] = heat_colours(np.ones(()))
    np.testing.assert_array_equal(actual, expected)


def test_a_map_of_zeros_is_the_grey_image() -> None:
    np.testing.assert_array_equal(overlay(IMAGE, np.zeros((6, 8))), dark_grey(IMAGE))


def test_more_saliency_is_lighter_over_any_image() -> None:
    """The top of the scale shows on white, where a pale yellow on pale grey would not."""
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (8, 1))
    for brightness in (0, 128, 255):
        image = np.full((8, 64, 3), brightness, np.uint8)
        luminance = overlay(image, ramp)[0] @ np.array([0.299, 0.587, 0.114])
        assert luminance[-1] - luminance[0] > 60


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((32, 32), (192, 192)),
        ((28, 28), (168, 168)),
        ((100, 224), (100, 224)),
        ((600, 300), (192, 96)),
    ],
)
def test_magnified_by_whole_numbers_or_scaled_down(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    actual = np.asarray(magnified(pixels, CELL))
    assert actual.shape == (*expected, 3)
    factor = expected[0] // size[0]
    if factor > 1:
        np.testing.assert_array_equal(actual, pixels.repeat(factor, 0).repeat(factor, 1))


def test_hostile_text_is_one_printable_line() -> None:
    assert printable("a\nb\x1b[31mc\u202ed\udcff") == "a�b�[31mc�d�"
    assert printable("Größe <script> 猫") == "Größe <script> 猫"
    assert printable("3.04\u202fPM 猫\u3000犬") == "3.04\u202fPM 猫\u3000犬"


def test_text_is_shortened_to_its_room() -> None:
    face = font(13)
    text = "a-very-long-name-of-an-image-file-0001.png"
    assert shortened(text, 10_000, face) == text
    for keep in ("start", "both"):
        short = shortened(text, 120, face, keep=keep)
        assert face.getlength(short) <= 120 < face.getlength(short + "mm")
        assert short.startswith("a-v")
    assert shortened(text, 120, face, keep="both").endswith("01.png")
    assert shortened(text, 0, face) == "…"


def test_the_sheet_holds_every_picture_and_no_text_leaves_its_column() -> None:
    def cell(value: int, side: int = 32) -> Cell:
        name = "an endless name <b> $x$ \\frac " * 20
        pixels: NDArray[np.uint8] = np.full((side, side, 3), value, np.uint8)
        return Cell(pixels, (name, " 0.99"), name)

    groups = [Group("Image", ("",)), Group("Method " * 50, ("one " * 50, "two"))]
    rows = [[cell(10), cell(20), cell(30)], [cell(40), cell(50, 64), cell(60)]]
    sheet = np.asarray(contact_sheet(groups, rows))
    places = []
    for value in (10, 20, 30, 40, 50, 60):
        ys, xs = np.nonzero((sheet == value).all(-1))
        solid = (ys.min(), xs.min())
        assert (sheet[solid[0] : solid[0] + CELL, solid[1] : solid[1] + CELL] == value).all()
        places.append(solid)
    tops, lefts = zip(*places, strict=True)
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4] == tops[5]
    assert lefts[:3] == lefts[3:]
    # Between the columns and outside them the paper is empty, from the heads to the last note.
    last = tops[-1] + CELL + 40
    for start, stop in (
        (0, lefts[0]),
        (lefts[0] + CELL + 2, lefts[1]),
        (lefts[2] + CELL + 2, None),
    ):
        assert (sheet[:last, start:stop] == 255).all()
