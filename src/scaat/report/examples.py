"""Test images and every method's maps of them, as sheets for a paper and galleries of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaat.display.labels import attribution_name, method_name
from scaat.display.overlay import DISPLAY_RULE, heat, outline, overlay, photo
from scaat.display.style import INK, MUTED, WIDTH, FigureSpec, plain, style
from scaat.report.results import Array, Comparison, ExampleMaps, Examples


@dataclass(frozen=True)
class Shown:
    """Images that all the runs with examples share, and the maps by (method, attribution)."""

    images: Examples
    maps: Mapping[tuple[str, str], ExampleMaps]
    without: tuple[str, ...]
    """Names of the runs whose examples are other images, so that they are left out."""

    def methods(self, attribution: str) -> list[str]:
        """Return the training methods that have maps by a saliency method."""
        return [method for method, a in self.maps if a == attribution]

    @property
    def attributions(self) -> list[str]:
        """Return the saliency methods that have maps."""
        return list(dict.fromkeys(attribution for _, attribution in self.maps))


def shown_examples(comparison: Comparison) -> Shown | None:
    """Return the images to show, or None where no run has any."""
    stored = {source: source.examples() for source in comparison.sources}
    known = {source: examples for source, examples in stored.items() if examples is not None}
    if not known:
        return None
    first = next(iter(known.values()))
    places = {
        source: {image.tobytes(): i for i, image in enumerate(examples.images)}
        for source, examples in known.items()
        if examples.images.shape[1:] == first.images.shape[1:]
    }
    wanted = [image.tobytes() for image in first.images]
    places = {source: at for source, at in places.items() if any(w in at for w in wanted)}
    common = [i for i, w in enumerate(wanted) if all(w in at for at in places.values())]
    if not common:  # no image that all of them show
        places = dict(list(places.items())[:1])
        common = list(range(len(wanted)))
    chosen = {source: [at[wanted[i]] for i in common] for source, at in places.items()}
    maps = {
        (row.method, row.attribution): _take(of_row, chosen[row.source])
        for row in comparison.rows
        if row.source in chosen
        and (of_row := row.source.example_maps(row.index, known[row.source])) is not None
    }
    if not maps or not common:
        return None
    return Shown(
        Examples(
            first.images[common],
            first.labels[common],
            None if first.masks is None else first.masks[common],
        ),
        maps,
        tuple(source.label for source in known if source not in chosen),
    )


def _take(maps: ExampleMaps, places: list[int]) -> ExampleMaps:
    return ExampleMaps(maps.maps[places], maps.predicted[places], maps.probability[places])


_SHOWN = 8
_PIXELS = 10_000_000
"""Of all maps of a gallery: at about one byte each they are most of the page."""


@dataclass(frozen=True)
class Tile:
    """One map over its image."""

    method: int
    """Place in the gallery's methods."""
    heat: str
    text: str
    right: bool


@dataclass(frozen=True)
class Card:
    """An image, known to the page's style by ``photo``, and its maps."""

    photo: str
    label: str
    tiles: tuple[Tile, ...]
    outline: str = ""
    """Name of the edge of its annotated region, if any."""


@dataclass(frozen=True)
class Sheet:
    """The cards of one saliency method."""

    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Gallery:
    """Sheets of cards, and what the page's style must know of them."""

    name: str
    caption: str
    methods: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    width: int
    height: int
    photos: dict[str, str]
    outlines: dict[str, str]
    switches: bool = True
    """Whether one saliency method, and one training method, may be chosen."""

    @property
    def style(self) -> str:
        """Return the images as styles: each is in the page once, however often it is shown."""
        rules = [f"#{self.name} .stage{{aspect-ratio:{self.width}/{self.height}}}"]
        rules += [f".{name}{{background-image:url({url})}}" for name, url in self.photos.items()]
        return "\n".join(rules)


def example_gallery(comparison: Comparison, name: str) -> Gallery | None:
    """Return the test images with all maps of them, or None if none were stored."""
    shown = shown_examples(comparison)
    if shown is None:
        return None
    images, labels, masks = shown.images.images, shown.images.labels, shown.images.masks
    height, width = images.shape[2:]
    room = _PIXELS // (height * width * len(shown.maps))
    count = min(len(images), _SHOWN, max(room, 2))
    methods = [m for m in comparison.methods if any(m == method for method, _ in shown.maps)]

    def tile(i: int, method: str, attribution: str) -> Tile:
        maps = shown.maps[method, attribution]
        predicted = int(maps.predicted[i])
        right = predicted == int(labels[i])
        said = f"{comparison.class_name(predicted)} {maps.probability[i]:.2f}"
        return Tile(methods.index(method), heat(maps.maps[i]), said, right)

    outlines = {} if masks is None else _outlines(name, masks[:count])
    sheets = tuple(
        Sheet(
            attribution_name(attribution),
            tuple(
                Card(
                    f"{name}-{i}",
                    comparison.class_name(int(labels[i])),
                    tuple(tile(i, m, attribution) for m in shown.methods(attribution)),
                    f"{name}-edge-{i}" if f"{name}-edge-{i}" in outlines else "",
                )
                for i in range(count)
            ),
        )
        for attribution in shown.attributions
    )
    edge = " White line: the annotated region." if outlines else ""
    left_out = (
        f" The examples of {' and '.join(shown.without)} are other images and are left out."
        if shown.without
        else ""
    )
    return Gallery(
        name,
        f"Saliency maps of {count} test images, drawn at random. Below each map: ✓ right or "
        f"✗ wrong, the predicted class and its probability. {DISPLAY_RULE}{edge}{left_out}",
        tuple(map(method_name, methods)),
        sheets,
        width,
        height,
        {f"{name}-{i}": photo(images[i]) for i in range(count)},
        outlines,
    )


def ordered_gallery(comparison: Comparison, name: str) -> Gallery | None:
    """Return training samples by their final proportion, or None if none were stored."""
    sheets: dict[str, Sheet] = {}
    photos: dict[str, str] = {}
    size = (1, 1)
    for row in comparison.rows:
        ordered = row.source.ordered(row.index)
        if ordered is None or row.method in sheets:
            continue
        cards = []
        for i, proportion in enumerate(ordered.proportion):
            key = f"{name}-{len(photos)}"
            photos[key] = photo(ordered.images[i])
            over = Tile(0, heat(ordered.maps[i]), "", True)
            label = comparison.class_name(int(ordered.labels[i]))
            cards.append(Card(key, f"{proportion:.2f} · {label}", (over,)))
        head = f"{method_name(row.method)}, {attribution_name(row.attribution)} maps"
        sheets[row.method] = Sheet(head, tuple(cards))
        size = ordered.images.shape[:1:-1]
    if not sheets:
        return None
    return Gallery(
        name,
        "Training samples by their final proportion, ascending: the fraction of the image, its "
        "least relevant part, that training was left to perturb. It falls for a sample whose "
        f"prediction such perturbations change, and rises for one they do not. {DISPLAY_RULE}",
        tuple(map(method_name, sheets)),
        tuple(sheets.values()),
        *size,
        photos,
        {},
        switches=False,
    )


def _outlines(name: str, masks: Array) -> dict[str, str]:
    return {
        f"{name}-edge-{i}": outline(mask)
        for i, mask in enumerate(masks)
        if mask.any() and not mask.all()
    }


def saliency_examples(comparison: Comparison) -> list[FigureSpec]:
    """Return a sheet for each saliency method: images down, training methods across (Fig. 3a)."""
    shown = shown_examples(comparison)
    if shown is None:
        return []
    return [_figure(comparison, attribution, shown) for attribution in shown.attributions]


def ordered_samples(comparison: Comparison) -> list[FigureSpec]:
    """Return training samples by their final proportion, or nothing if none stored (Fig. 3b)."""
    plates: dict[str, FigureSpec] = {}
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
        plates[row.method] = FigureSpec(
            f"proportions-{row.method}",
            figure,
            f"Training samples of {method_name(row.method)} by their final proportion, the "
            "number above each: the fraction of the image, its least relevant part, that "
            f"training was left to perturb. Below: {attribution_name(row.attribution)} maps. "
            + DISPLAY_RULE,
            f"{count} training samples with final proportions from "
            f"{ordered.proportion[chosen[0]]:.2f} to {ordered.proportion[chosen[-1]]:.2f}, "
            f"and their {attribution_name(row.attribution)} maps.",
            vector=False,
        )
    return list(plates.values())


def _figure(comparison: Comparison, attribution: str, shown: Shown) -> FigureSpec:
    images, labels, masks = shown.images.images, shown.images.labels, shown.images.masks
    count, methods = min(len(images), _SHOWN), shown.methods(attribution)
    height, width = images.shape[2:]
    sheet = _Cells(count, len(methods) + 1, height / width)
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
    return FigureSpec(
        f"examples-{attribution}",
        figure,
        f"{attribution_name(attribution)} maps of {count} test images, over the image in dark "
        "grey. Above each map: the predicted class and its probability, ✓ right or ✗ wrong. "
        f"{DISPLAY_RULE}{outline}",
        f"{attribution_name(attribution)} maps of {count} test images beside the images, a column "
        f"for each training method. Images classified rightly: {hits}.",
        vector=False,
    )


class _Cells:
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
        """Return where a column's head begins, as fractions of the figure."""
        return self._left(block, column) / WIDTH, 1 - (self.HEAD - 0.05) / self.height

    def cell(self, image: int, column: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a cell, as fractions of the figure."""
        line, block = divmod(image, self.blocks)
        top = self.HEAD + line * self.line + self.CAPTION
        bottom = 1 - (top + self.tall) / self.height
        left = self._left(block, column) / WIDTH
        return left, bottom, self.side / WIDTH, self.tall / self.height


def _show(ax: Axes, image: Array, mask: Array | None) -> None:
    ax.set_axis_off()
    ax.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if mask is not None and mask.any() and not mask.all():
        # Two lines, so that one of them is visible on any background.
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


SHEETS: tuple[Callable[[Comparison], list[FigureSpec]], ...] = (saliency_examples, ordered_samples)
"""Pictures made of images: files for a paper, while the page has its own gallery."""
