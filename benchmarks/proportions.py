"""Do images with more background get a larger proportion? The paper's figure 3b as a correlation.

    python benchmarks/proportions.py RUN... --out results/proportions

Each RUN is the folder of a SCAAT training with adaptive proportions. Over all training images, the
script computes Spearman's rank correlation of the final proportion q with

- the fraction of background, where known (outside masks or boxes, or the digits' dark pixels);
- the trained model's probability of the true class. q falls at every visit whose perturbed image is
  misclassified, so it may follow difficulty instead.

Runs that only differ in the seed share a row: the mean, minimum and maximum of their correlations.
Runs in OUT from earlier calls are kept.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from scaat.data import DataOptions, ImageSet, load_data, to_float
from scaat.display.labels import MINUS
from scaat.display.table import Cell, Line, Table, markdown
from scaat.evaluation import environment
from scaat.evaluation.performance import all_logits
from scaat.files import write_json, write_text
from scaat.training import load_trained, read_config

BATCH = 200


def background(data: ImageSet, name: str) -> Tensor | None:
    """Return the share of each image that is background, float (N,), or None if not known."""
    height, width = data.images.shape[2:]
    if data.masks is not None:
        return 1 - data.masks.float().mean(dim=(1, 2))
    if data.boxes is not None:
        x0, y0, x1, y1 = data.boxes.T
        return 1 - (x1 - x0) * (y1 - y0) / (height * width)
    if name == "digits":
        return (to_float(data.pixels()).mean(dim=1) < 0.5).float().mean(dim=(1, 2))
    return None


def confidence(model: nn.Module, data: ImageSet) -> Tensor:
    """Return the probability of each image's own class, float (N,)."""
    logits = all_logits(model, data, BATCH, torch.device("cpu"))
    return logits.softmax(dim=1).gather(1, data.labels[:, None]).squeeze(1)


def measure(run: Path) -> dict[str, Any]:
    """Return one run's correlations and the spread of its proportions."""
    config = read_config(run)
    trained = load_trained(run)
    if trained.proportion is None:
        raise SystemExit(f"{run} has no proportions: it was not trained by SCAAT")
    data = load_data(DataOptions(**config["data"]), seed=config["seed"]).train
    proportion = trained.proportion
    ground = background(data, config["data"]["data"])
    quantiles = proportion.quantile(torch.tensor([0.05, 0.5, 0.95])).tolist()
    return {
        "config": config,
        "n": len(data),
        "proportion": dict(zip(("p5", "median", "p95"), quantiles, strict=True)),
        "background": None if ground is None else float(spearmanr(proportion, ground).statistic),
        "confidence": float(spearmanr(proportion, confidence(trained.model, data)).statistic),
    }


def setting(run: Mapping[str, Any]) -> str:
    """Return what a run's line is called; the seed takes no part."""
    config = run["config"]
    options, training = config["objectives"]["scaat"], config["training"]
    step, weight = options.get("proportion_step", 0.01), options.get("weight")
    strength = (
        f"budget {options.get('accuracy_budget'):g}" if weight is None else f"weight {weight:g}"
    )
    return (
        f"{config['data']['name'] or config['data']['data']}, {training['model']}, "
        f"{training['epochs']} epochs, step {step:g}, {strength}"
    )


def report(runs: list[dict[str, Any]]) -> Table:
    """Return a line for each setting."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        alike = {**run["config"], "seed": None}
        groups.setdefault(json.dumps(alike, sort_keys=True), []).append(run)

    def over_seeds(found: list[float | None]) -> str:
        values = [value for value in found if value is not None]
        if not values:
            return "—"
        spread = f" [{min(values):.2f}, {max(values):.2f}]" if len(values) > 1 else ""
        return f"{np.mean(values):.2f}{spread}".replace("-", MINUS)

    lines = []
    for group in groups.values():
        spread = [np.mean([run["proportion"][key] for run in group]) for key in ("p5", "p95")]
        lines.append(
            Line(
                "",
                setting(group[0]),
                (
                    Cell(f"{spread[0]:.2f} to {spread[1]:.2f}"),
                    Cell(over_seeds([run["background"] for run in group])),
                    Cell(over_seeds([run["confidence"] for run in group])),
                    Cell(", ".join(str(run["config"]["seed"]) for run in group)),
                    Cell(f"{group[0]['n']:,}"),
                ),
            )
        )
    return Table(
        name="proportions",
        caption="Spearman's correlation of the final proportion with",
        note="Brackets: least and greatest over the seeds.",
        stub="Training",
        columns=("q, 5 to 95 %", "background", "confidence", "Seeds", "Images"),
        lines=tuple(lines),
    )


def main() -> None:
    """Measure the runs and write ``proportions.json`` and ``proportions.md``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    told = arguments.out / "proportions.json"
    # Before the measuring, which a file that can't be read would make in vain.
    earlier = json.loads(told.read_text(encoding="utf-8"))["runs"] if told.is_file() else []
    measured = [
        {**measure(run), "environment": environment(torch.device("cpu"))} for run in arguments.runs
    ]
    again = [run["config"] for run in measured]
    runs = [run for run in earlier if run["config"] not in again] + measured
    text = markdown(report(runs))
    print(text)
    write_json(told, {"runs": runs})
    write_text(arguments.out / "proportions.md", text + "\n")


if __name__ == "__main__":
    main()
