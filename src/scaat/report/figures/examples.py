"""Contact sheets: example images and what each training method's model looks at."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaat.report.catalogue import attribution_name, method_name
from scaat.report.examples import DISPLAY_RULE, Shown, shown_examples
from scaat.report.figures.style import INK, MUTED, WIDTH, Plate, plain, style
from scaat.report.overlay import overlay
from scaat.report.results import Comparison
from scaat.report.source import Array

_SHOWN = 8


def saliency_examples(comparison: Comparison) -> list[Plate]:
    """Return a sheet for each saliency method: images down, training methods across (Fig. 3a)."""
    shown = shown_examples(comparison)
    if shown is None:
        return []
    return [_sheet(comparison, attribution, shown) for attribution in shown.attributions]


def ordered_samples(comparison: Comparison) -> list[Plate]:
    """Return training samples by their final proportion, or nothing if none stored (Fig. 3b)."""
    plates: dict[str, Plate] = {}
    for row in comparison.rows:
        ordered = row.source.ordered(row.index)
        if ordered is None or row.method in plates:
            continue
        count = min(len(ordered.images), _SHOWN)
        chosen = np.linspace(0, len(ordered.images) - 1, count).round().astype(int)
        height, width = ordered.images.shape[2:]
        side = WIDTH / _SHOWN
        tall = side * height / width
        with style():
            figure = Figure(figsize=(WIDTH, 2 * tall + 0.75))
            axes = figure.subplots(2, count, squeeze=False)
            for (above, below), i in zip(axes.T, chosen, strict=True):
                image = np.moveaxis(ordered.images[i], 0, -1)
                _show(above, image, None)
                _show(below, overlay(image, ordered.maps[i]), None)
                above.set_title(f"{ordered.proportion[i]:.2f}", fontsize=9, color=INK, pad=3)
                name = comparison.class_name(int(ordered.labels[i]))
                below.set_title(_fit(below, name), fontsize=7.5, color=MUTED, pad=3)
            figure.subplots_adjust(0, 0, 1, 1 - 0.25 / figure.get_figheight(), 0.05, 0.12)
        plates[row.method] = Plate(
            f"proportions-{row.method}",
            figure,
            f"Training samples of {method_name(row.method)} by their final proportion, the "
            "number above each: the share of the image, its least relevant part, that "
            f"training was left to perturb. Below: {attribution_name(row.attribution)} maps. "
            + DISPLAY_RULE,
            f"{count} training samples with final proportions from "
            f"{ordered.proportion[chosen[0]]:.2f} to {ordered.proportion[chosen[-1]]:.2f}, "
            f"and their {attribution_name(row.attribution)} maps.",
            vector=False,
        )
    return list(plates.values())


def _sheet(comparison: Comparison, attribution: str, shown: Shown) -> Plate:
    images, labels, masks = shown.images.images, shown.images.labels, shown.images.masks
    count, methods = min(len(images), _SHOWN), shown.methods(attribution)
    height, width = images.shape[2:]
    sheet = _Sheet(count, len(methods) + 1, height / width)
    right = dict.fromkeys(methods, 0)
    with style():
        figure = Figure(figsize=(WIDTH, sheet.height))
        for block in range(sheet.blocks):
            for column, head in enumerate(["Image", *map(method_name, methods)]):
                at = sheet.head(block, column)
                figure.text(*at, plain(head), weight="bold", va="bottom", size=9)
        for i in range(count):
            image = np.moveaxis(images[i], 0, -1)
            label = int(labels[i])
            mask = None if masks is None else masks[i]
            ax = figure.add_axes(sheet.cell(i, 0))
            _show(ax, image, mask)
            _caption(ax, comparison.class_name(label))
            for column, method in enumerate(methods, start=1):
                maps = shown.maps[method, attribution]
                predicted = int(maps.predicted[i])
                right[method] += predicted == label
                ax = figure.add_axes(sheet.cell(i, column))
                _show(ax, overlay(image, maps.maps[i]), mask)
                sign = "✓" if predicted == label else "✗"
                tail = f" {maps.probability[i]:.2f}"
                name = comparison.class_name(predicted)
                _caption(ax, name, f"{sign} ", tail, predicted != label)
    outline = "" if masks is None else " White and black outline: the annotated region."
    hits = ", ".join(f"{method_name(m)} {n} of {count}" for m, n in right.items())
    return Plate(
        f"examples-{attribution}",
        figure,
        f"{attribution_name(attribution)} maps of {count} test images, over the image in dark "
        "grey. Above each map: the predicted class and its probability, ✓ right or ✗ wrong. "
        f"{DISPLAY_RULE}{outline}",
        f"{attribution_name(attribution)} maps of {count} test images beside the images, a column "
        f"for each training method. Images classified rightly: {hits}.",
        vector=False,
    )


class _Sheet:
    """Where the cells of the contact sheet lie, all lengths in inches until they are handed out."""

    GAP, BLOCK_GAP, CAPTION, HEAD = 0.07, 0.34, 0.24, 0.26

    def __init__(self, count: int, columns: int, aspect: float) -> None:
        """Args: count of images; columns: of one image; aspect: an image's height over width."""
        # Few columns would be needlessly large: two images share a line where they fit.
        self.blocks = 2 if columns <= 4 and count > 1 else 1
        self.columns, lines = columns, -(-count // self.blocks)
        gaps = self.GAP * self.blocks * (columns - 1) + self.BLOCK_GAP * (self.blocks - 1)
        self.side = min((WIDTH - gaps) / (self.blocks * columns), 1.8)
        self.tall = self.side * aspect
        self.line = self.tall + self.CAPTION + self.GAP
        self.height = self.HEAD + lines * self.line

    def _left(self, block: int, column: int) -> float:
        step = self.side + self.GAP
        return block * (self.columns * step - self.GAP + self.BLOCK_GAP) + column * step

    def head(self, block: int, column: int) -> tuple[float, float]:
        """Return where a column's head begins, as shares of the figure."""
        return self._left(block, column) / WIDTH, 1 - (self.HEAD - 0.05) / self.height

    def cell(self, image: int, column: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a cell, as shares of the figure."""
        line, block = divmod(image, self.blocks)
        top = self.HEAD + line * self.line + self.CAPTION
        bottom = 1 - (top + self.tall) / self.height
        left = self._left(block, column) / WIDTH
        return left, bottom, self.side / WIDTH, self.tall / self.height


def _show(ax: Axes, image: Array, mask: Array | None) -> None:
    ax.set_axis_off()
    ax.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if mask is not None and mask.any() and not mask.all():
        # Two lines, so that one of them stands out whatever lies below.
        ax.contour(mask, levels=[0.5], colors="black", linewidths=1.6)
        ax.contour(mask, levels=[0.5], colors="white", linewidths=0.8)


def _caption(ax: Axes, name: str, before: str = "", after: str = "", wrong: bool = False) -> None:
    """Write over a cell; a long class name gives way, so that captions never meet."""
    text = before + _fit(ax, name, len(before) + len(after)) + after
    weight = "bold" if wrong else "normal"
    ax.set_title(text, fontsize=7.5, fontweight=weight, color=INK if wrong else MUTED, pad=3)


def _fit(ax: Axes, name: str, taken: int = 0) -> str:
    room = int(ax.get_position().width * WIDTH / 0.068) - taken
    return plain(name if len(name) <= room else name[: max(room - 1, 1)] + "…")
