"""Does SCAAT's short search fail where a long one succeeds? Compares it with PGD-20.

    python benchmarks/collapse.py RUN... --out results/collapse

Single-step adversarial training can collapse: the model defeats the one step, while a longer search
still succeeds (Wong et al., arXiv:2001.03994). A masked perturbation is reported to prevent this
(arXiv:2209.02684). The script searches each RUN, the folder of a training by ``scaat train``,
``sweep`` or ``reproduce``, inside the same constraint (mask of its own maps, radius, proportion,
regions) by random points, by one step along the map's gradient, and by PGD-1, PGD-4 and PGD-20. A
collapsed model withstands the short searches and fails under PGD-20.

All models are in evaluation mode, on the same validation images. Runs of other methods use the
constraint of the first SCAAT run.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scaat.data import DataOptions, load_data, to_float
from scaat.display.table import Cell, Line, Table, markdown
from scaat.evaluation import environment
from scaat.files import write_json, write_text
from scaat.functional import jeffreys_divergence, masked_pgd
from scaat.functional.perturbation import masked_step
from scaat.functional.saliency import score_gradient
from scaat.objectives import Search
from scaat.passes import search_view
from scaat.statistics import mean_interval
from scaat.training import load_trained, read_config

STEPS = (1, 4, 20)
CONSTRAINT = ("epsilon", "initial_proportion", "region_size")
BATCH = 100

Found = dict[str, dict[str, dict[str, Any]]]
"""Of a run, by search: accuracy and divergence, each with its interval."""


def constraint(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the options that bound the perturbation in a run's training, or None."""
    if config.get("method") != "scaat":
        return None
    return {name: config["objectives"]["scaat"][name] for name in CONSTRAINT}


def searched(
    model: nn.Module, images: Tensor, labels: Tensor, bound: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the images as each search perturbs them, by its name."""
    view = search_view(model)
    leaf = images.clone().requires_grad_()
    logits = view(leaf)
    gradient = score_gradient(logits, leaf, labels)
    grid = Search(region_size=bound["region_size"], random_grid=False)
    mask = grid.irrelevant(gradient, torch.full((len(images),), bound["initial_proportion"]))
    epsilon = bound["epsilon"]
    # The step of k = 0 and 1 is the frontier's, which keeps clear of the corners.
    step = partial(masked_step, images, mask=mask, epsilon=epsilon)
    search = partial(masked_pgd, view, images, mask, epsilon=epsilon, reference=logits.detach())
    return {
        "none": images,
        "random point": step(torch.zeros_like(images)),
        "k = 0": step(-gradient, step_size=1.25 * epsilon),
        **{
            f"PGD-{k}": search(steps=k, step_size=1.25 * epsilon if k == 1 else None) for k in STEPS
        },
    }


def measure(model: nn.Module, images: Tensor, labels: Tensor, bound: Mapping[str, Any]) -> Found:
    """Return accuracy and divergence (bits) of the images, perturbed by each search."""
    torch.manual_seed(0)
    correct: dict[str, list[Tensor]] = {}
    divergence: dict[str, list[Tensor]] = {}
    for part, classes in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        found = searched(model, part, classes, bound)
        with torch.no_grad():
            clean = model(part)
            for name, perturbed in found.items():
                logits = model(perturbed)
                correct.setdefault(name, []).append(logits.argmax(1) == classes)
                divergence.setdefault(name, []).append(jeffreys_divergence(logits, clean))
    return {
        name: {
            "accuracy": mean_interval(torch.cat(correct[name]).double().numpy()),
            "divergence": mean_interval(torch.cat(divergence[name]).double().numpy()),
        }
        for name in correct
    }


def table(rows: Mapping[str, Found]) -> Table:
    """Lay out a line for each run: accuracy and divergence under each search."""

    def cell(found: Mapping[str, Any]) -> Cell:
        return Cell(f"{found['value']:.3f}", f"[{found['low']:.3f}, {found['high']:.3f}]")

    names = list(next(iter(rows.values())))
    columns = [f"Acc., {name}" for name in names]
    columns += [f"Divergence, {name} (bits)" for name in names[1:]]
    lines = []
    for run, found in rows.items():
        cells = [cell(found[name]["accuracy"]) for name in names]
        cells += [cell(found[name]["divergence"]) for name in names[1:]]
        lines.append(Line("", run, tuple(cells)))
    return Table("collapse", "Searches", "", "Training", tuple(columns), tuple(lines))


def study(runs: Sequence[Path], names: Sequence[str], count: int) -> dict[str, Any]:
    """Search every run's constraint on the same validation images."""
    configs = [read_config(run) for run in runs]
    bounds = [constraint(config) for config in configs]
    default = next((bound for bound in bounds if bound is not None), None)
    if default is None:
        raise SystemExit("none of the runs is SCAAT's, so no constraint is known")
    splits = load_data(DataOptions(**configs[0]["data"]), seed=configs[0]["seed"])
    shown = splits.validation
    chosen = np.random.default_rng(0).permutation(len(shown))[:count]
    images, labels = to_float(shown.pixels(chosen.tolist())), shown.labels[chosen]
    rows = {}
    for run, name, bound in zip(runs, names, bounds, strict=True):
        rows[name] = measure(load_trained(run).model.eval(), images, labels, bound or default)
        print(name, rows[name], flush=True)
    settings = {"data": splits.name, "images": len(images), "constraint": default}
    return {"settings": settings, "rows": rows, "environment": environment(torch.device("cpu"))}


def main() -> None:
    """Study the runs, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="Trainings of the same data.")
    parser.add_argument("--names", nargs="+", help="What the table calls them.")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("results/collapse"))
    arguments = parser.parse_args()
    names = arguments.names or [run.name for run in arguments.runs]
    if len(set(names)) < len(names) or len(names) != len(arguments.runs):
        parser.error("give --names, a different one for each run")
    found = study(arguments.runs, names, arguments.images)
    write_json(arguments.out / "collapse.json", found)
    write_text(arguments.out / "collapse.md", markdown(table(found["rows"])))


if __name__ == "__main__":
    main()
