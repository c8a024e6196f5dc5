from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.samples import bmp16, png16, shards, tiff16

from scaat.data import DataOptions
from scaat.data.decoding import decode_image, read_size
from scaat.data.loading import find_source
from scaat.data.survey import Survey, broken_images, suggested_groups, survey
from scaat.errors import InputError


def look(spec: str) -> Survey:
    return survey(find_source(DataOptions(data=spec)), lambda *now: None)


def write(path: Path, size: tuple[int, int] = (10, 8), *, mode: str = "RGB", seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def grey16() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(stream, "PNG")
    return stream.getvalue()


def test_sizes_colour_and_what_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png", seed=1)
    write(tmp_path / "a" / "2.png", (20, 30), mode="L", seed=2)
    write(tmp_path / "b" / "3.jpg", seed=3)
    whole = write(tmp_path / "b" / "4.png", seed=4)
    (tmp_path / "b" / "no.png").write_bytes(b"no image")
    (tmp_path / "b" / "cut.png").write_bytes(whole.read_bytes()[:150])
    found = look(f"folder:{tmp_path}")
    assert found.classes == ("a", "b")
    assert found.counts == {"train": [2, 4]}
    assert found.images == 6
    # The header of a file that was cut short is whole.
    assert found.sizes == {(10, 8): 4, (20, 30): 1}
    assert (found.decoded, found.grey) == (4, 1)
    assert sorted(Path(name).name for name in found.unreadable) == ["cut.png", "no.png"]
    assert all("cannot be read" in said for said in found.unreadable.values())
    assert found.duplicates == []


@pytest.mark.parametrize("kind", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_header_s_size_is_that_of_the_upright_image(
    orientation: int, kind: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{kind}"
    Image.new("RGB", (7, 5)).save(path, exif=exif)
    item = ("photo", path)
    assert read_size(item) == decode_image(item, None)[0].shape[:2]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (grey16(), "mode 'I;16'"),
        (png16(), "16 bits a channel"),
        (tiff16(planes=False), "16 bits a channel"),
        (tiff16(planes=True), "16 bits a channel"),
    ],
    ids=["grey", "png", "tiff", "tiff of planes"],
)
def test_too_many_bits(content: bytes, found: str) -> None:
    message = f"^deep has {found}; expected 8 bits a channel$"
    with pytest.raises(InputError, match=message):
        read_size(("deep", content))
    with pytest.raises(InputError, match=message):
        decode_image(("deep", content), None)


def test_sixteen_bits_of_all_colours_together() -> None:
    item = ("high colour", bmp16())
    assert read_size(item) == decode_image(item, None)[1] == (4, 4)


def test_duplicates_across_parts_classes_and_names(tmp_path: Path) -> None:
    for part, label, number, seed in (
        ("train", "a", 1, 1),
        ("train", "a", 2, 2),
        ("train", "b", 3, 3),
        ("test", "a", 4, 1),
        ("test", "b", 5, 5),
        ("train", "b", 6, 3),
    ):
        write(tmp_path / part / label / f"{number}.bmp", seed=seed)  # all of one length
    places = [
        [(place.part, place.label, Path(place.name).stem) for place in duplicates]
        for duplicates in look(f"folder:{tmp_path}").duplicates
    ]
    assert sorted(places) == [
        [("train", 0, "1"), ("test", 0, "4")],
        [("train", 1, "3"), ("train", 1, "6")],
    ]


def test_images_inside_shards_and_in_memory(tmp_path: Path) -> None:
    shards(tmp_path, [6, 6])
    found = look(f"webdataset:{tmp_path}/*.tar")
    assert found.looked_at == found.images == 12
    digits = look("digits")
    assert digits.sizes == {(32, 32): 100}
    assert digits.grey == digits.decoded == 100


def test_groups_of_files_that_all_differ_in_length(tmp_path: Path) -> None:
    for number in range(40):
        path = write(tmp_path / "ab"[number % 2] / f"slide{number // 4}_x{number}_y0.png")
        path.write_bytes(path.read_bytes() + bytes(number))
    assert look(f"folder:{tmp_path}").groups == 20  # ten slides, each in both class folders


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ([f"slide{n // 5}_x{n}_y{n % 3}" for n in range(40)], 8),
        ([f"patient{n // 5:02}_{n % 5}" for n in range(40)], 8),
        ([f"tumour{n // 5}_x{n}_y{n % 3}" for n in range(40)], 8),
        ([f"tumour{n // 5}x{n}y{n % 3}" for n in range(40)], 8),
        ([f"{n:04}" for n in range(40)], None),
        ([f"img_{n:04}" for n in range(40)], None),
        ([f"{name}.{n}" for n in range(20) for name in ("cat", "dog")], None),
    ],
)
def test_groups_that_names_suggest(names: list[str], groups: int | None) -> None:
    assert suggested_groups([Path(f"{name}.png") for name in names], 2) == groups


def broken(spec: str, **options: Any) -> list[str]:
    source = find_source(DataOptions(data=spec, **options))
    return [said.replace(spec[7:], "") for said in broken_images(source, lambda *now: None)]


def test_sizes_that_differ_between_parts_and_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaat.data.survey.CHUNK", 4)
    for number in range(8):
        for label in "ab":
            write(tmp_path / "train" / label / f"{number}.png")
            write(tmp_path / "test" / label / f"{number}.png", (20, 16))
    spec = f"folder:{tmp_path}"
    expected = "20x16 but /train/a/0.png is 10x8; expected one size (height x width), or set "
    sentences = broken(spec)
    assert len(sentences) == 4
    assert sentences[1].startswith(f"/test/a/4.png and 3 more from there on are {expected}")
    assert broken(spec, image_size=8) == []

    shutil.rmtree(tmp_path / "test")
    write(tmp_path / "train" / "b" / "3.png", (20, 16))
    (tmp_path / "train" / "a" / "0.png").write_bytes(b"no image")
    unreadable, differing = broken(spec)
    assert unreadable.startswith("/train/a/0.png cannot be read")
    assert differing.startswith("/train/b/3.png is 20x16 but /train/a/1.png is 10x8; expected one")
