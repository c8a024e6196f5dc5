"""Is the AOPC ratio a valid measure? Applies known changes of maps and confidence.

    python benchmarks/metric_study.py RUN... --out results/metrics

RUN is the folder of a training by ``scaat train``, ``compare`` or ``reproduce``, such as
``OUT/trials/digits-small-resnet-standard-seed-0``; all use the same data. Three questions:

1. Confidence. Multiplying the logits by a factor keeps classes, accuracy and, up to a scale that no
   measure sees, every gradient map of the logit. It changes how far the probability falls.
2. Maps. Random maps, blurred maps, region averages, and maps of an untrained network.
3. Baselines. The same maps with other replacements than random pixels, and over larger blocks. A
   network that reads every second row or pixel looks faithful per pixel, but not in blocks.

Uses validation images: nothing may be chosen on test images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scaat.data import DataOptions, load_data, to_float
from scaat.evaluation import environment
from scaat.files import write_json, write_text
from scaat.functional import (
    aopc,
    entropy,
    gini,
    lattice_fractions,
    perturbation_curve,
    region_average,
    saliency_map,
)
from scaat.functional.blur import gaussian_blur
from scaat.models import build_model
from scaat.statistics import mean_interval, ratio_interval
from scaat.training import load_trained, read_config

FACTORS = (0.25, 1.0, 4.0)
BASELINES = (
    *(("random", 1), ("mean", 1), ("zero", 1), ("blur", 1), ("noisy-linear", 1)),
    *(("random", 2), ("random", 4)),
)

Maps = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """One line of the study: what was measured, and each measure's value with its interval."""

    question: str
    model: str
    accuracy: float
    confidence: float
    maps: str
    baseline: str
    measures: dict[str, Any]


class Scaled(nn.Module):
    """A model whose logits are multiplied by a factor: its temperature is the inverse."""

    def __init__(self, model: nn.Module, factor: float) -> None:
        super().__init__()
        self.model = model
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        """Return the scaled logits."""
        logits: Tensor = self.model(images)
        return self.factor * logits


def gradient(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return torch.cat(
        [
            saliency_map(model, *part)
            for part in zip(images.split(50), classes.split(50), strict=True)
        ]
    )


def blurred(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return gaussian_blur(gradient(model, images, classes).unsqueeze(1)).squeeze(1)


def averaged(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return region_average(gradient(model, images, classes), 4)


def random_maps(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand((len(images), *images.shape[2:]), generator=generator)


MAPS: dict[str, Maps] = {
    "gradient": gradient,
    "gradient, blurred": blurred,
    "gradient, averaged over 4 x 4": averaged,
    "random": random_maps,
}


def measure(
    question: str,
    name: str,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    maps: str,
    baseline: tuple[str, int] = ("random", 1),
) -> Row:
    with torch.no_grad():
        probabilities = torch.cat([model(part).softmax(1) for part in images.split(250)])
    confidence, classes = probabilities.max(1)
    found = MAPS[maps](model, images, classes)
    kind, side = baseline
    curves = perturbation_curve(model, images, found, baseline=kind, region_size=side)
    lerf, morf = (aopc(curves[order]).numpy() for order in ("lerf", "morf"))
    return Row(
        question,
        name,
        float((classes == labels).double().mean()),
        float(confidence.mean()),
        maps,
        kind if side == 1 else f"{kind}, blocks of {side}",
        {
            "entropy": mean_interval(entropy(found).numpy()),
            "gini": mean_interval(gini(found).numpy()),
            "lerf": mean_interval(lerf),
            "morf": mean_interval(morf),
            "ratio": ratio_interval(morf, lerf),
            "lerf_negative": float(np.mean(lerf < 0)),
            "lattice": float(lattice_fractions(found).mean(0).max()),
        },
    )


def study(runs: list[Path], count: int) -> tuple[list[Row], dict[str, Any]]:
    config = read_config(runs[0])
    splits = load_data(DataOptions(**config["data"]), seed=config["seed"])
    shown = splits.validation
    chosen = np.random.default_rng(0).permutation(len(shown))[:count]
    images, labels = to_float(shown.pixels(chosen.tolist())), shown.labels[chosen]
    models = {f"{run.name}": load_trained(run).model for run in runs}
    torch.manual_seed(0)
    untrained = build_model(**load_trained(runs[0]).architecture).eval()
    rows = []
    for name, model in models.items():
        for factor in FACTORS:
            title = f"{name}, logits x {factor:g}"
            scaled = Scaled(model, factor).eval()
            rows.append(measure("confidence", title, scaled, images, labels, "gradient"))
            print(rows[-1], flush=True)
    for name, model in {**models, "untrained": untrained}.items():
        for maps in MAPS:
            rows.append(measure("maps", name, model, images, labels, maps))
            print(rows[-1], flush=True)
    for name, model in models.items():
        for baseline in BASELINES:
            rows.append(measure("baselines", name, model, images, labels, "gradient", baseline))
            print(rows[-1], flush=True)
    settings = {"data": splits.name, "images": len(images), "runs": [run.name for run in runs]}
    return rows, settings


def number(found: dict[str, Any], scale: float = 1.0, digits: int = 2) -> str:
    def text(value: float | None) -> str:
        return "unbounded" if value is None else f"{scale * value:.{digits}f}"

    return f"{text(found['value'])} [{text(found['low'])}, {text(found['high'])}]"


def markdown(rows: list[Row], settings: dict[str, Any], made: dict[str, Any]) -> str:
    lines = [
        f"# Is the AOPC ratio what it seems? {settings['data']}",
        "",
        f"`benchmarks/metric_study.py`: {settings['images']} validation images, the paper's "
        f"protocol (20 steps, 20 % of the pixels, 5 repeats), float32, torch {made.get('torch')}. "
        "Brackets: 95 % interval over the images.",
    ]
    for question in dict.fromkeys(row.question for row in rows):
        lines += [
            "",
            f"## {question.capitalize()}",
            "",
            "| model | accuracy | confidence | maps | baseline | entropy, bits | Gini | "
            "LeRF, 10⁻³ | MoRF, 10⁻³ | ratio | LeRF below 0 | on one lattice |",
            "|---|---:|---:|---|---|---:|---:|---:|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {r.model} | {r.accuracy:.3f} | {r.confidence:.3f} | {r.maps} | {r.baseline} | "
            f"{number(r.measures['entropy'])} | {number(r.measures['gini'], digits=3)} | "
            f"{number(r.measures['lerf'], 1000)} | {number(r.measures['morf'], 1000, 0)} | "
            f"{number(r.measures['ratio'])} | {100 * r.measures['lerf_negative']:.0f} % | "
            f"{100 * r.measures['lattice']:.0f} % |"
            for r in rows
            if r.question == question
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--name", default="metric-study")
    parser.add_argument("--out", type=Path, default=Path("results/metrics"))
    arguments = parser.parse_args()
    rows, settings = study(arguments.runs, arguments.images)
    made = environment(torch.device("cpu"))
    write_json(
        arguments.out / f"{arguments.name}.json",
        {"settings": settings, "environment": made, "rows": [vars(row) for row in rows]},
    )
    write_text(arguments.out / f"{arguments.name}.md", markdown(rows, settings, made))


if __name__ == "__main__":
    main()
