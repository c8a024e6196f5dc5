"""Contact sheet: example images and what each training method's model looks at."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from scaat.report.catalogue import attribution_name, method_name
from scaat.report.figures.style import MUTED, Plate, grid, style
from scaat.report.results import Array, Comparison, Examples, ExampleMaps, Results

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
    width = len(columns) + 1
    # One block of columns leaves half the page empty: two images share a line where they fit.
    blocks = 2 if width <= 4 and count > 1 else 1
    lines = -(-count // blocks)
    _, _, h, w = examples.images.shape
    with style():
        figure, axes = grid(lines, blocks * width, height=0.5 + lines * (0.3 + 9.6 / (blocks * width) * h / w))
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03)  # type: ignore[union-attr]
        for ax in axes:
            ax.set_axis_off()
        right = dict.fromkeys(columns, 0)
        for i in range(count):
            line, block = i // blocks, i % blocks
            start = line * blocks * width + block * width
            image = np.moveaxis(examples.images[i], 0, -1)
            label = int(examples.labels[i])
            mask = None if examples.masks is None else examples.masks[i]
            _show(axes[start], image, mask)
            _caption(axes[start], results.class_name(label), "Image" if line == 0 else "")
            for ax, (method, maps) in zip(axes[start + 1 :], columns.items(), strict=False):
                predicted = int(maps.predicted[i])
                right[method] += predicted == label
                _show(ax, _grey(image), mask)
                heat = display_map(maps.maps[i])
                ax.imshow(_HEAT(heat, alpha=np.sqrt(heat)), interpolation="nearest")
                _caption(
                    ax,
                    f"{'✓' if predicted == label else '✗'} {_short(results.class_name(predicted))} "
                    f"{maps.probability[i]:.2f}",
                    method_name(method) if line == 0 else "",
                    wrong=predicted != label,
                )
    contour = " White and black outline: the annotated region." if examples.masks is not None else ""
    hits = ", ".join(f"{method_name(m)} {n} of {count}" for m, n in right.items())
    return Plate(
        f"examples-{attribution}",
        figure,
        f"{attribution_name(attribution)} maps of {count} test images, over the image in grey. "
        "Above each map: the predicted class and its probability, ✓ right or ✗ wrong. Every map "
        f"is divided by its own {_PERCENTILE:.0f}th percentile and clipped at 1, the same rule for "
        f"all methods; brighter and more opaque is more relevant.{contour}",
        f"{attribution_name(attribution)} maps of {count} test images beside the images, a column "
        f"for each training method. Images classified rightly: {hits}.",
    )


def _show(ax: Axes, image: Array, mask: Array | None) -> None:
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


def _caption(ax: Axes, text: str, head: str, *, wrong: bool = False) -> None:
    if head:
        ax.text(
            0, 1.0, head, transform=ax.transAxes, ha="left", va="bottom", weight="bold",
        ).set_position((0, 1.17))
    ax.set_title(
        text, fontsize=7.5, fontweight="bold" if wrong else "normal", color=MUTED, pad=3
    )


def _short(name: str, limit: int = 12) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
