"""A folder of explanations: overlays, raw maps, contact sheets and a listing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from scaat.data.image_files import Picture
from scaat.display.grid import Cell, Group, contact_sheet, magnified
from scaat.display.overlay import DISPLAY_RULE, overlay
from scaat.display.style import MUTED
from scaat.display.text import PAPER, font, printable, safe_names, shortened, titles
from scaat.explain.explaining import Explanation
from scaat.files import replacing, write_json

LISTING = "explanations.json"
OVERLAY_SIDE = 256  # pixels; the pixels of smaller maps are drawn larger
ROWS, COLUMNS = 12, 12  # of maps on one contact sheet


class Album:
    """Writes explanations to a folder as they come; every file is whole or absent.

    The files are ``overlays/IMAGE--MODEL--ATTRIBUTION.png``; in ``maps/``, as ``.npy``, the maps as
    the saliency methods gave them, float32 (H, W) at the model's size; contact sheets of 12 images
    and, where one saliency method needs no more, 12 maps; at the end ``explanations.json``.

    Args:
        folder: Made if missing.
        paths: The images that will come, in their order.
        models: The names of each model's classes, by its title.
        attributions: What the sheets call each saliency method, by its registered name.
        resize: How images were resized to the models' sizes; None if they were not.
        settings: Goes into the listing, fit for JSON.
    """

    def __init__(
        self,
        folder: Path,
        paths: Sequence[Path],
        models: Mapping[str, Sequence[str]],
        attributions: Mapping[str, str],
        *,
        resize: str | None,
        settings: Mapping[str, Any],
    ) -> None:
        self.folder = folder
        self.models = models
        self.attributions = attributions
        self.resize = resize
        self.settings = settings
        self.sheets: list[Path] = []
        self.listing: list[dict[str, Any]] = []
        self._titles = titles(paths)
        self._image_names = safe_names(os.path.splitext(title)[0] for title in self._titles)
        self._model_names = safe_names(models)
        self._added = 0
        self._rows: list[dict[tuple[str, str], Cell]] = []

    def add(
        self,
        picture: Picture,
        pixels: Sequence[NDArray[np.uint8]],
        answers: Sequence[Explanation],
    ) -> None:
        """Write the overlays and maps of the next image.

        Args:
            picture: Its file.
            pixels: What each model saw, uint8 RGB (H, W, 3).
            answers: Each model's, for this image alone.
        """
        sizes = dict.fromkeys(self._resizing(picture, seen) for seen in pixels)
        note = ", ".join(filter(None, [*sizes, picture.conversion]))
        title = printable(self._titles[self._added])
        row = {("", ""): Cell(pixels[0], (title, ""), note)}
        models = zip(self.models, self._model_names, pixels, answers, strict=True)
        for model, model_name, seen, answer in models:
            for attribution, values in answer.maps.items():
                name = f"{self._image_names[self._added]}--{model_name}--{attribution}"
                saliency = values.float().cpu().numpy()
                over = overlay(seen, saliency)
                record = {
                    **self._record(picture, model, seen, answer),
                    "attribution": attribution,
                    "overlay": f"overlays/{name}.png",
                    "map": f"maps/{name}.npy",
                }
                _write_overlay(self.folder / record["overlay"], over, record)
                with replacing(self.folder / record["map"]) as part, part.open("wb") as file:
                    np.save(file, saliency, allow_pickle=False)
                self.listing.append(record)
                row[attribution, model] = _cell(over, record)
        self._rows.append(row)
        self._added += 1
        if len(self._rows) == ROWS or self._added == len(self._titles):
            self._write_sheets()

    def close(self) -> None:
        """Write the listing."""
        listing = {
            "schema": 1,
            "settings": self.settings,
            "display": DISPLAY_RULE,
            "sheets": [sheet.name for sheet in self.sheets],
            "explanations": self.listing,
        }
        write_json(self.folder / LISTING, listing)

    def _record(
        self, picture: Picture, model: str, seen: NDArray[np.uint8], answer: Explanation
    ) -> dict[str, Any]:
        def named(label: Tensor) -> str:
            return printable(self.models[model][int(label)])

        return {
            "file": printable(picture.path),
            "file_size": list(picture.size),
            "conversion": picture.conversion,
            "resize": self.resize if self._resizing(picture, seen) else None,
            "map_size": list(seen.shape[:2]),
            "model": printable(model),
            "predicted": named(answer.predicted),
            "probability": float(answer.probability),
            "explained": named(answer.targets),
            "explained_probability": float(answer.probabilities[answer.targets]),
        }

    def _resizing(self, picture: Picture, seen: NDArray[np.uint8]) -> str:
        """Say from what size to which an image was resized, or nothing."""
        original, used = picture.size, seen.shape[:2]
        return "" if original == used else resizing(original, used, self.resize)

    def _write_sheets(self) -> None:
        names, models = list(self.attributions), tuple(map(printable, self.models))
        share = max(1, COLUMNS // len(models))
        parts = [names[start : start + share] for start in range(0, len(names), share)]
        pages = -(-len(self._titles) // ROWS) * len(parts)
        for part in parts:
            keys = [("", ""), *product(part, self.models)]
            groups = [Group("Image", ("",)), *(Group(self.attributions[n], models) for n in part)]
            sheet = contact_sheet(groups, [[row[key] for key in keys] for row in self._rows])
            number = f"-{len(self.sheets) + 1}" if pages > 1 else ""
            path = self.folder / f"sheet{number}.png"
            with replacing(path) as file:
                sheet.save(file, "PNG")
            self.sheets.append(path)
        self._rows = []


def resizing(original: Sequence[int], used: Sequence[int], mode: str | None) -> str:
    """Say in words how an image was resized; sizes are height and width."""
    return f"{original[1]}×{original[0]} → {used[1]}×{used[0]} ({mode})"


def _cell(over: NDArray[np.uint8], record: Mapping[str, Any]) -> Cell:
    note = ""
    if record["explained"] != record["predicted"]:
        note = f"map of {record['explained']} {record['explained_probability']:.2f}"
    return Cell(over, (record["predicted"], f" {record['probability']:.2f}"), note)


def _write_overlay(path: Path, over: NDArray[np.uint8], record: Mapping[str, Any]) -> None:
    """Write an overlay with its record as text chunks, and a line below if it was resized."""
    image = magnified(over, OVERLAY_SIDE, shrink=False)
    if record["resize"]:
        small = image
        image = Image.new("RGB", (small.width, small.height + 20), PAPER)
        image.paste(small)
        line = resizing(record["file_size"], record["map_size"], record["resize"])
        told = shortened(f"resized {line}", small.width - 8, font(12))
        ImageDraw.Draw(image).text((4, small.height + 3), told, MUTED, font(12))
    text = PngInfo()
    for key, value in record.items():
        if value is not None:
            text.add_itxt(key, str(value))
    with replacing(path) as file:
        image.save(file, "PNG", pnginfo=text)
