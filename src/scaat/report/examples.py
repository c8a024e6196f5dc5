"""Test images and every method's maps of them, as sheets for a paper and galleries of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from scaat.display.grid import Cell, Group, contact_sheet
from scaat.display.labels import attribution_name, method_name
from scaat.display.overlay import DISPLAY_RULE, heat, outline, overlay, photo
from scaat.display.style import FigureSpec
from scaat.display.text import printable
from scaat.report.results import UNKNOWN, Array, Comparison, ExampleMaps, Examples


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
    maps = {}
    for row in comparison.rows:
        at = chosen.get(row.source)
        of_row = None if at is None else row.source.example_maps(row.index, known[row.source])
        if of_row is not None:
            arrays = (of_row.maps[at], of_row.predicted[at], of_row.probability[at])
            maps[row.method, row.attribution] = ExampleMaps(*arrays)
    if not maps or not common:
        return None
    masks = None if first.masks is None else first.masks[common]
    images = Examples(first.images[common], first.labels[common], masks)
    return Shown(images, maps, tuple(source.label for source in known if source not in chosen))


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
    right: bool | None
    """Whether the prediction is right; None where the class is not known."""


@dataclass(frozen=True)
class Card:
    """An image, known to the page's style by ``photo``, and its maps."""

    photo: str
    label: str
    tiles: tuple[Tile, ...]
    outline: str = ""
    """Name of the edge of its annotated region, if any."""


Sheet = tuple[str, tuple[Card, ...]]
"""The title and cards of one saliency method."""


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
        right = None if labels[i] == UNKNOWN else predicted == int(labels[i])
        said = f"{comparison.class_name(predicted)} {maps.probability[i]:.2f}"
        return Tile(methods.index(method), heat(maps.maps[i]), said, right)

    outlines = {
        f"{name}-edge-{i}": outline(mask)
        for i, mask in enumerate([] if masks is None else masks[:count])
        if mask.any() and not mask.all()
    }

    def card(i: int, attribution: str) -> Card:
        edge = f"{name}-edge-{i}"
        return Card(
            f"{name}-{i}",
            comparison.class_name(int(labels[i])),
            tuple(tile(i, m, attribution) for m in shown.methods(attribution)),
            edge if edge in outlines else "",
        )

    signs = "" if (labels == UNKNOWN).any() else "✓ right or ✗ wrong, "
    caption = (
        f"Saliency maps of {count} test images, drawn at random. Below each map: {signs}the "
        f"predicted class and its probability. {DISPLAY_RULE}"
    )
    if outlines:
        caption += " White line: the annotated region."
    if shown.without:
        runs = " and ".join(shown.without)
        caption += f" The examples of {runs} are other images and are left out."
    return Gallery(
        name,
        caption,
        tuple(map(method_name, methods)),
        tuple(
            (attribution_name(attribution), tuple(card(i, attribution) for i in range(count)))
            for attribution in shown.attributions
        ),
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
    for row, ordered in comparison.ordered:
        cards = []
        for i, proportion in enumerate(ordered.proportion):
            key = f"{name}-{len(photos)}"
            photos[key] = photo(ordered.images[i])
            over = Tile(0, heat(ordered.maps[i]), "", True)
            label = comparison.class_name(int(ordered.labels[i]))
            cards.append(Card(key, f"{proportion:.2f} · {label}", (over,)))
        head = f"{method_name(row.method)}, {attribution_name(row.attribution)} maps"
        sheets[row.method] = head, tuple(cards)
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


def saliency_examples(comparison: Comparison) -> Iterator[FigureSpec]:
    """Yield a sheet for each saliency method: images down, training methods across (Fig. 3a)."""
    shown = shown_examples(comparison)
    if shown is None:
        return
    images, labels, masks = shown.images.images, shown.images.labels, shown.images.masks
    count = min(len(images), _SHOWN)
    known = not (labels == UNKNOWN).any()
    signs = ", ✓ right or ✗ wrong" if known else ""
    outline = "" if masks is None else " White and black outline: the annotated region."
    for attribution in shown.attributions:
        methods, rows = shown.methods(attribution), []
        right = dict.fromkeys(methods, 0)
        for i in range(count):
            image, label = _pixels(images[i]), int(labels[i])
            mask = None if masks is None else masks[i]
            row = [Cell(image, (printable(comparison.class_name(label)), ""), mask=mask)]
            for method in methods:
                maps = shown.maps[method, attribution]
                predicted = int(maps.predicted[i])
                right[method] += predicted == label
                sign = "" if label == UNKNOWN else "✓ " if predicted == label else "✗ "
                said = printable(sign + comparison.class_name(predicted))
                caption = (said, f" {maps.probability[i]:.2f}")
                row.append(Cell(overlay(image, maps.maps[i]), caption, mask=mask))
            rows.append(row)
        name = attribution_name(attribution)
        heads = tuple(printable(method_name(method)) for method in methods)
        hits = ", ".join(f"{method_name(m)} {n} of {count}" for m, n in right.items())
        rightly = f" Images classified rightly: {hits}." if known else ""
        yield FigureSpec(
            f"examples-{attribution}",
            contact_sheet([Group("Image", ("",)), Group(printable(name), heads)], rows),
            f"{name} maps of {count} test images, over the image in dark grey. Below each map: the "
            f"predicted class and its probability{signs}. {DISPLAY_RULE}{outline}",
            f"{name} maps of {count} test images beside the images, a column for each training "
            f"method.{rightly}",
        )


def ordered_samples(comparison: Comparison) -> Iterator[FigureSpec]:
    """Yield training samples of each method by their final proportion (Fig. 3b)."""
    for row, ordered in comparison.ordered:
        places = np.linspace(0, len(ordered.images) - 1, min(len(ordered.images), _SHOWN))
        above, below, proportions = [], [], []
        for i in places.round().astype(int):
            image = _pixels(ordered.images[i])
            label = printable(comparison.class_name(int(ordered.labels[i])))
            above.append(Cell(image, (label, "")))
            below.append(Cell(overlay(image, ordered.maps[i]), ("", "")))
            proportions.append(f"{ordered.proportion[i]:.2f}")
        attribution = attribution_name(row.attribution)
        yield FigureSpec(
            f"proportions-{row.method}",
            contact_sheet([Group("Final proportion", tuple(proportions))], [above, below]),
            f"Training samples of {method_name(row.method)} by their final proportion, the "
            "number above each: the fraction of the image, its least relevant part, that "
            f"training was left to perturb. Below: {attribution} maps. {DISPLAY_RULE}",
            f"{len(places)} training samples with final proportions from {proportions[0]} to "
            f"{proportions[-1]}, and their {attribution} maps.",
        )


def _pixels(image: Array) -> Array:
    """Return an image (1 or 3, H, W) as RGB (H, W, 3)."""
    return np.ascontiguousarray(np.broadcast_to(np.moveaxis(image, 0, -1), (*image.shape[1:], 3)))


SHEETS: tuple[Callable[[Comparison], Iterator[FigureSpec]], ...] = (
    saliency_examples,
    ordered_samples,
)
"""Pictures made of images: files for a paper, while the page has its own gallery."""
