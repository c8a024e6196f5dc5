"""Contact sheet: example images and what each training method's model looks at."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from scaat.report.catalogue import attribution_name, method_name
from scaat.report.figures.style import INK, MUTED, WIDTH, Plate, style
from scaat.report.results import Array, Comparison, ExampleMaps, Examples, Results

_SHOWN = 8
_PERCENTILE = 99.0
# Dark violet over red to pale yellow: rises in lightness, so it reads in grey and to the
# colour-blind; its transparency rises too, so that the image shows where the map is low.
_HEAT = LinearSegmentedColormap.from_list(
    "heat", ["#3b0f70", "#8c2981", "#de4968", "#fe9f6d", "#fcfdbf"]
)


def saliency_examples(results: Results, comparison: Comparison) -> list[Plate]:
    """Return a sheet for each saliency method: images down, training methods across."""
    examples = results.examples()
    if examples is None:
        return []
    plates = []
    for attribution in comparison.attributions:
        columns: dict[str, ExampleMaps] = {}
        for method in comparison.methods:
            row = comparison.row(method, attribution)
            maps = results.example_maps(row, examples) if row else None
            if maps is not None:
                columns[method] = maps
        if columns:
            plates.append(_sheet(results, attribution, examples, columns))
    return plates


def display_map(saliency: Array) -> Array:
    """Return a map scaled for display to [0, 1]: over its own 99th percentile, clipped.

    The rule is the same for every method. A map with fewer than one per cent of its pixels above
    zero has no such percentile and is divided by its maximum; a map of zeros stays zero.
    """
    top = np.percentile(saliency, _PERCENTILE) or saliency.max() or 1.0
    return np.clip(saliency / top, 0.0, 1.0)


def _sheet(
    results: Results, attribution: str, examples: Examples, columns: dict[str, ExampleMaps]
) -> Plate:
    count = min(len(examples.images), _SHOWN)
    height, width = examples.images.shape[2:]
    sheet = _Sheet(count, len(columns) + 1, height / width)
    right = dict.fromkeys(columns, 0)
    with style():
        figure = Figure(figsize=(WIDTH, sheet.height))
        for block in range(sheet.blocks):
            for column, head in enumerate(["Image", *map(method_name, columns)]):
                figure.text(*sheet.head(block, column), head, weight="bold", va="bottom", size=9)
        for i in range(count):
            image = np.moveaxis(examples.images[i], 0, -1)
            label = int(examples.labels[i])
            mask = None if examples.masks is None else examples.masks[i]
            ax = figure.add_axes(sheet.cell(i, 0))
            _show(ax, image, mask)
            _caption(ax, results.class_name(label))
            for column, (method, maps) in enumerate(columns.items(), start=1):
                predicted = int(maps.predicted[i])
                right[method] += predicted == label
                ax = figure.add_axes(sheet.cell(i, column))
                _show(ax, _grey(image), mask)
                heat = display_map(maps.maps[i])
                ax.imshow(_HEAT(heat, alpha=heat), interpolation="nearest")
                sign = "✓" if predicted == label else "✗"
                tail = f" {maps.probability[i]:.2f}"
                _caption(ax, results.class_name(predicted), f"{sign} ", tail, predicted != label)
    outline = "" if examples.masks is None else " White and black outline: the annotated region."
    hits = ", ".join(f"{method_name(m)} {n} of {count}" for m, n in right.items())
    return Plate(
        f"examples-{attribution}",
        figure,
        f"{attribution_name(attribution)} maps of {count} test images, over the image in grey. "
        "Above each map: the predicted class and its probability, ✓ right or ✗ wrong. Every map "
        f"is divided by its own {_PERCENTILE:.0f}th percentile and clipped at 1, the same rule for "
        f"all methods; brighter and more opaque is more relevant.{outline}",
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


def _grey(image: Array) -> Array:
    """Return the luminance, pale, so that the heat stands out: uint8 (H, W, 3)."""
    weights = np.array([0.299, 0.587, 0.114]) if image.shape[-1] == 3 else np.ones(1)
    grey = 120 + 0.53 * (image @ weights)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def _caption(ax: Axes, name: str, before: str = "", after: str = "", wrong: bool = False) -> None:
    """Write over a cell; a long class name gives way, so that captions never meet."""
    room = int(ax.get_position().width * WIDTH / 0.068) - len(before) - len(after)
    name = name if len(name) <= room else name[: max(room - 1, 1)] + "…"
    weight = "bold" if wrong else "normal"
    text = (before + name + after).replace("$", r"\$")  # a class name is no formula
    ax.set_title(text, fontsize=7.5, fontweight=weight, color=INK if wrong else MUTED, pad=3)
