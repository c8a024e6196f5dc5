"""A made-up results folder: random but valid numbers, no measurement of anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

METHODS = ("standard", "saliency-guided", "scaat")
ATTRIBUTIONS = ("gradient", "smoothgrad", "integrated-gradients")
N = 60

Content = dict[str, Any]


def estimate(value: float, half: float, n: int = N) -> Content:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def make_content(*, subject_wins: bool = True) -> Content:
    """Every method one step from the last on every metric; scaat is best, or worst, of all."""
    rng = np.random.default_rng(0)
    ranks = dict(zip(METHODS, (2, 1, 0) if subject_wins else (0, 1, 2), strict=True))
    fraction = np.linspace(0.01, 0.2, 20)
    rows = []
    for method in METHODS:
        for shift, attribution in enumerate(ATTRIBUTIONS):
            rank = ranks[method]
            lerf = 0.001 * 12**rank * (1 + 0.01 * rng.random()) * (1 + 0.1 * shift)
            morf = 0.30 - 0.02 * rank
            rel = morf / lerf
            curve = fraction / fraction.mean()
            rows.append(
                {
                    "data": "made-up",
                    "model": "tiny",
                    "method": method,
                    "attribution": attribution,
                    "seed": 0,
                    "accuracy": estimate(0.95 + 0.001 * rank, 0.01),
                    "auc": None,
                    "entropy": estimate(4.5 + 0.5 * rank + 0.01 * rng.random(), 0.05),
                    "size_kb": estimate(0.51 + 0.2 * rank, 0.02),
                    "gini": estimate(0.7 - 0.1 * rank, 0.01),
                    "aopc_lerf": estimate(lerf, 0.1 * lerf),
                    "aopc_morf": estimate(morf, 0.005),
                    "aopc_rel": estimate(rel, 0.2 * rel),
                    "train_seconds": 20.0 + 15 * METHODS.index(method),
                    "cost_ratio": 1.0 + 0.75 * METHODS.index(method),
                    "settings": {
                        "training": {"epochs": 3, "steps": METHODS.index(method)},
                        "attribution": {"samples": shift},
                        "evaluation": {"size_codec": "png", "size_quality": None, "repeats": 5},
                    },
                    "curves": {
                        "fraction": fraction.tolist(),
                        **{
                            order: {
                                "value": (mean * curve).tolist(),
                                "low": (0.9 * mean * curve).tolist(),
                                "high": (1.1 * mean * curve).tolist(),
                            }
                            for order, mean in (("lerf", lerf), ("morf", morf))
                        },
                    },
                }
            )
    return {
        "schema": 1,
        "environment": {"scaat": "0.1.0", "python": "3.12", "threads": 2, "command": "made up"},
        "rows": rows,
        "classes": ["benign", "tumour", "unsure"],
        "settings": {"seed": 0, "train": {"epochs": 3, "lr": 0.1}},
    }


def write(folder: Path, content: Content, *, side: int = 24, examples: int = 6) -> Path:
    """Write ``content`` and arrays that fit it."""
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    y, x = np.mgrid[:side, :side] / side
    centres = rng.uniform(0.3, 0.7, (examples, 2))
    blobs = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.02) for a, b in centres])
    colour = np.array([120, 160, 60])[:, None, None]
    noise = rng.uniform(0, 25, (examples, 3, side, side))
    images = 230 - colour * blobs[:, None] - noise
    arrays: dict[str, Any] = {
        "images": images.clip(0, 255).astype(np.uint8),
        "labels": np.arange(examples) % 3,
        "masks": blobs > 0.5,
    }
    per_image: dict[str, Any] = {}
    for i, row in enumerate(content["rows"]):
        grain = 0.2 * (row["entropy"]["value"] - 4.4)
        maps = blobs * rng.random(blobs.shape) + grain * rng.random(blobs.shape)
        arrays[f"{i}/maps"] = maps.astype(np.float32)
        arrays[f"{i}/predicted"] = (np.arange(examples) + (rng.random(examples) < 0.2)) % 3
        arrays[f"{i}/probability"] = rng.uniform(0.5, 1, examples)
        for key in ("entropy", "size_kb", "gini", "aopc_lerf", "aopc_morf"):
            value = row[key]["value"]
            per_image[f"{i}/{key}"] = value * (1 + 0.05 * rng.standard_normal(N))
    np.savez(folder / "examples.npz", **arrays)
    np.savez(folder / "per_image.npz", **per_image)
    return folder


@pytest.fixture(scope="session")
def results_content() -> Callable[..., Content]:
    return make_content


@pytest.fixture(scope="session")
def write_folder() -> Callable[..., Path]:
    return write


@pytest.fixture
def content() -> Content:
    return make_content()


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a results folder and returns its path."""
    return lambda content, **options: write(tmp_path / "run", content, **options)


@pytest.fixture
def folder(make_folder: Callable[..., Path], content: Content) -> Path:
    return make_folder(content)
