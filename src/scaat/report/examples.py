"""The test images that a comparison's runs show, and every method's maps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaat.report.results import Comparison
from scaat.report.source import Array, ExampleMaps, Examples

_PERCENTILE = 99.0

DISPLAY_RULE = (
    f"Every map is divided by its own {_PERCENTILE:.0f}th percentile and clipped at 1, the same "
    "rule for all methods; brighter and more opaque is more relevant."
)


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
        (row.method, row.attribution): _take(found, chosen[row.source])
        for row in comparison.rows
        if row.source in chosen
        and (found := row.source.example_maps(row.index, known[row.source])) is not None
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


def display_map(saliency: Array) -> Array:
    """Return a map scaled for display to [0, 1]: over its own 99th percentile, clipped.

    The rule is the same for every method. A map with fewer than one per cent of its pixels above
    zero has no such percentile and is divided by its maximum; a map of zeros stays zero.
    """
    top = np.percentile(saliency, _PERCENTILE) or saliency.max() or 1.0
    return np.clip(saliency / top, 0.0, 1.0)


def _take(maps: ExampleMaps, places: list[int]) -> ExampleMaps:
    return ExampleMaps(maps.maps[places], maps.predicted[places], maps.probability[places])
