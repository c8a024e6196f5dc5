"""Images and maps of a comparison, as the page's galleries show them (Figures 3a and 3b)."""

from __future__ import annotations

from dataclasses import dataclass

from scaat.report.catalogue import attribution_name, method_name
from scaat.report.examples import DISPLAY_RULE, shown_examples
from scaat.report.page.pictures import heat, outline, photo
from scaat.report.results import Comparison
from scaat.report.source import Array

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
        "Training samples by their final proportion, ascending: the share of the image, its least "
        "relevant part, that training was left to perturb. It falls for a sample whose prediction "
        f"such perturbations upset, and rises for one they do not. {DISPLAY_RULE}",
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
