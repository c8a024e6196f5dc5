"""The folder of explanations: what is in it, under which names, in how many sheets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from scaat.data.image_files import Picture
from scaat.display.overlay import overlay
from scaat.explain import Album, Explanation
from scaat.explain import album as album_module

HOSTILE = "<script>\n$x$\x1b[31m" + "w" * 300
RNG = np.random.default_rng(0)


def pixels(side: int) -> NDArray[np.uint8]:
    return RNG.integers(0, 256, (side, side, 3), dtype=np.uint8)


def answer(side: int, attributions: Sequence[str], target: int = 0) -> Explanation:
    maps = {name: torch.rand(1, side, side, dtype=torch.float64) for name in attributions}
    return Explanation(maps, torch.tensor([target]), torch.tensor([[0.75, 0.25]]))[0]


def build(
    folder: Path, paths: Sequence[Path], attributions: Sequence[str], **options: Any
) -> Album:
    models = {"one": (HOSTILE, "b"), "two": (HOSTILE, "b")}
    names = {name: name.upper() for name in attributions}
    return Album(folder, paths, models, names, **{"resize": None, "settings": {"a": 1}} | options)


def test_files_hold_the_maps_and_the_listing_names_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = [Path("x/cat.png"), Path("y/cat.png")]
    album = build(out, paths, ["gradient"])
    answers = [[answer(8, ["gradient"]) for _ in range(2)] for _ in paths]
    seen = [[pixels(8) for _ in range(2)] for _ in paths]
    for path, shown, pair in zip(paths, seen, answers, strict=True):
        album.add(Picture(path, (8, 8), None), shown, pair)
    album.close()
    listing = json.loads((out / "explanations.json").read_text())
    assert listing["settings"] == {"a": 1}
    assert listing["sheets"] == ["sheet.png"]
    assert [(r["file"], r["model"]) for r in listing["explanations"]] == [
        (str(path), model) for path in paths for model in ("one", "two")
    ]
    records = zip(listing["explanations"], chain(*seen), chain(*answers), strict=True)
    for record, shown, actual in records:
        saliency = np.load(out / record["map"], allow_pickle=False)
        assert saliency.dtype == np.float32
        expected = actual.maps["gradient"].float().numpy()
        np.testing.assert_array_equal(saliency, expected)
        with Image.open(out / record["overlay"]) as image:
            # 8 pixels are drawn as 256, each as a square; nothing else is in the picture.
            large = overlay(shown, expected).repeat(32, 0).repeat(32, 1)
            np.testing.assert_array_equal(np.asarray(image), large)
            assert image.text["attribution"] == "gradient"
            assert image.text["probability"] == "0.75"
        assert record["predicted"].startswith("<script>�$x$�")
        assert record["resize"] is None
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == {
        "explanations.json",
        "sheet.png",
        *(
            f"{folder}/{image}--{model}--gradient.{suffix}"
            for folder, suffix in (("overlays", "png"), ("maps", "npy"))
            for image in ("x_cat", "y_cat")
            for model in ("one", "two")
        ),
    }


def test_resizing_is_said_in_every_output(tmp_path: Path) -> None:
    album = build(tmp_path, [Path("a.png")], ["gradient"], resize="crop")
    picture = Picture(Path("a.png"), (30, 40), None)
    album.add(picture, [pixels(8), pixels(16)], [answer(n, ["gradient"]) for n in (8, 16)])
    album.close()
    listing = json.loads((tmp_path / "explanations.json").read_text())
    for record, side in zip(listing["explanations"], (8, 16), strict=True):
        assert record["file_size"] == [30, 40]
        assert record["map_size"] == [side, side]
        assert record["resize"] == "crop"
        assert np.load(tmp_path / record["map"]).shape == (side, side)
        with Image.open(tmp_path / record["overlay"]) as image:
            assert image.size == (256, 276)  # a line of text below
            assert image.text["resize"] == "crop"
            assert (np.asarray(image)[256:] < 200).any()


def test_sheets_are_pages_of_images_and_of_methods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], int, int]] = []
    draw = album_module.contact_sheet

    def spy(groups: Any, rows: Any) -> Image.Image:
        columns = sum(len(group.columns) for group in groups)
        assert all(len(row) == columns for row in rows)
        seen.append(([group.heading for group in groups], columns, len(rows)))
        return draw(groups, rows)

    monkeypatch.setattr(album_module, "contact_sheet", spy)
    monkeypatch.setattr(album_module, "ROWS", 2)
    monkeypatch.setattr(album_module, "COLUMNS", 4)
    paths = [Path(f"{number}.png") for number in range(3)]
    attributions = ["a", "b", "c"]
    album = build(tmp_path, paths, attributions)
    for path in paths:
        answers = [answer(8, attributions, 1) for _ in range(2)]
        album.add(Picture(path, (8, 8), None), [pixels(8) for _ in range(2)], answers)
    album.close()
    assert seen == [
        (["Image", "A", "B"], 5, 2),
        (["Image", "C"], 3, 2),
        (["Image", "A", "B"], 5, 1),
        (["Image", "C"], 3, 1),
    ]
    assert [path.name for path in album.sheets] == [f"sheet-{n}.png" for n in (1, 2, 3, 4)]
    assert all(path.is_file() for path in album.sheets)
