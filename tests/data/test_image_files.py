"""Image files named one by one: found, read strictly, and resized only by name."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from packaging.version import Version
from PIL import Image
from tests.data.samples import png16

from scaat.data.decoding import fit
from scaat.data.image_files import Resize, find_images, fit_picture, read_picture
from scaat.errors import InputError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
RGB = Image.fromarray(PIXELS)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def with_alpha(mode: str, alpha: int) -> Image.Image:
    image = RGB.convert(mode)
    image.putalpha(alpha)
    return image


def palette(transparent: bool) -> bytes:
    image = RGB.quantize(4)
    return saved(image, "PNG", **({"transparency": 0} if transparent else {}))


FRAMES = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "green")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no image at all", "cannot be read as an image (Pillow knows no such format)"),
        (b"", "cannot be read as an image"),
        (saved(RGB, "PNG")[:-30], "cannot be read as an image"),
        (saved(RGB, "JPEG")[:-30], "cannot be read as an image"),
        (saved(RGB.convert("CMYK"), "JPEG"), "has mode 'CMYK'; expected RGB or grey"),
        (saved(RGB.convert("LAB"), "TIFF"), "has mode 'LAB'; expected RGB or grey"),
        (saved(Image.new("I;16", (4, 4)), "PNG"), "has mode 'I;16'; expected 8 bits a channel"),
        (png16(), "has 16 bits a channel; expected 8"),
        (saved(with_alpha("RGB", 254), "PNG"), "has transparent pixels; expected none"),
        (saved(with_alpha("L", 0), "PNG"), "has transparent pixels; expected none"),
        (palette(transparent=True), "has transparent pixels; expected none"),
        *(
            (
                saved(FRAMES[0], kind, save_all=True, append_images=FRAMES[1:]),
                "has 3 frames or pages; expected a still image of one",
            )
            for kind in ("GIF", "PNG", "WEBP", "TIFF")
        ),
    ],
)
def test_refused_in_one_sentence_that_names_the_file(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.img"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_picture(path)
    assert f"image {str(path)!r} {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "conversion", "expected"),
    [
        (saved(RGB, "PNG"), None, PIXELS),
        (saved(RGB, "BMP"), None, PIXELS),
        (saved(FRAMES[0], "GIF"), "palette to RGB", np.asarray(FRAMES[0])),
        (
            saved(RGB.convert("L"), "PNG"),
            "grey to RGB",
            np.repeat(np.asarray(RGB.convert("L"))[..., None], 3, -1),
        ),
        (saved(RGB.convert("1"), "PNG"), "black and white to RGB", RGB.convert("1").convert("RGB")),
        (saved(with_alpha("RGB", 255), "PNG"), "opaque alpha dropped", PIXELS),
        pytest.param(
            saved(RGB, "MPO", save_all=True, append_images=FRAMES, quality=100),
            None,
            None,
            marks=pytest.mark.skipif(
                Version(PIL.__version__) < Version("11.3"),
                reason="this Pillow writes MPO files that no Pillow reads",
            ),
        ),
    ],
)
def test_read_without_loss(
    content: bytes, conversion: str | None, expected: object, tmp_path: Path
) -> None:
    path = tmp_path / "fine.img"
    path.write_bytes(content)
    picture, pixels = read_picture(path)
    assert picture.conversion == conversion
    assert pixels.dtype == np.uint8
    assert picture.size == pixels.shape[:2]
    if expected is not None:
        np.testing.assert_array_equal(pixels, np.asarray(expected))


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    RGB.save(tmp_path / "turned.png", exif=exif)
    picture, pixels = read_picture(tmp_path / "turned.png")
    assert picture.size == (9, 6)
    np.testing.assert_array_equal(pixels, np.rot90(PIXELS, -1))


def test_another_size_is_refused_unless_a_mode_is_named(tmp_path: Path) -> None:
    RGB.save(tmp_path / "wide.png")
    picture, pixels = read_picture(tmp_path / "wide.png")
    np.testing.assert_array_equal(
        fit_picture(picture, pixels, (6, 9), None).permute(1, 2, 0).numpy(), PIXELS
    )
    with pytest.raises(InputError, match=r"wide\.png' is 6x9"):
        fit_picture(picture, pixels, (9, 6), None)
    # As the data sets are resized.
    crop = fit_picture(picture, pixels, (4, 4), "crop").permute(1, 2, 0)
    np.testing.assert_array_equal(crop.numpy(), np.asarray(fit(RGB, 4)))


@pytest.mark.parametrize(("resize", "uniform"), [("crop", True), ("stretch", False)])
def test_crop_cuts_and_stretch_does_not(resize: Resize, uniform: bool, tmp_path: Path) -> None:
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200  # the middle square, all that a crop keeps
    Image.fromarray(wide).save(tmp_path / "wide.png")
    fitted = fit_picture(*read_picture(tmp_path / "wide.png"), (4, 4), resize)
    assert fitted.shape == (3, 4, 4)
    assert fitted.dtype == torch.uint8
    assert (fitted == 200).all() == uniform


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b/2.png", "a/1.JPG", "b/.hidden.png", ".dir/3.png", "note.txt", "x[1].png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["."], ["a/1.JPG", "b/2.png", "x[1].png"]),
        (["b", "a/1.JPG"], ["b/2.png", "a/1.JPG"]),
        (["*/*.png", "b/2.png"], ["b/2.png"]),
        (["**/*.JPG"], ["a/1.JPG"]),
        (["x[1].png"], ["x[1].png"]),  # a file of that very name comes before the pattern
        (["note.txt"], ["note.txt"]),  # named by itself: reading it says what it is
    ],
)
def test_files_folders_and_patterns(inputs: list[str], expected: list[str], tree: Path) -> None:
    assert [str(path) for path in find_images(inputs)] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere.png", "image 'nowhere.png' does not exist"),
        ("*.gif", "pattern '*.gif' matches no file"),
        ("empty", "folder 'empty' holds no images; expected files of type .bmp"),
    ],
)
def test_nothing_found(text: str, message: str, tree: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_images(["a", text])
    assert message in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@pytest.mark.parametrize("damage", [lambda b, i: b[:i], lambda b, i: b[:i] + b"\xff" * 9 + b[i:]])
def test_damage_anywhere_is_one_sentence_or_harmless(
    damage: Callable[[bytes, int], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "damaged.img"
    for whole in (saved(RGB, "PNG"), saved(RGB, "GIF"), saved(RGB, "TIFF"), saved(RGB, "WEBP")):
        for position in range(0, len(whole), 7):
            path.write_bytes(damage(whole, position))
            with suppress(InputError):  # anything else fails the test
                read_picture(path)
