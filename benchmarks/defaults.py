"""Do SCAAT's defaults keep the accuracy budget and clean the maps, on data they were not tuned on?

    python benchmarks/defaults.py run --data NAME=KIND:PATH ... --seeds 0,1,2 --out OUT
    python benchmarks/defaults.py table OUT

For each data set and seed, `run` calls ``scaat compare`` with no option of any method; it resumes.
Epochs are those of ``scaat new-run`` unless ``--epochs`` is given. `table` writes OUT/table.md and
OUT/results.csv: every criterion of the budget beside what was measured, pooled over the seeds.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

METRICS = ("entropy", "gini", "aopc_lerf", "aopc_morf", "blocks_lerf", "blocks_morf")
BUDGET = 0.005


def run(arguments: argparse.Namespace) -> None:
    """Train, evaluate and report each data set with each seed."""
    for name, spec in arguments.data:
        config = arguments.out / f"{name}.yaml"
        if not config.exists():
            arguments.out.mkdir(parents=True, exist_ok=True)
            size = ["--image-size", str(arguments.image_size)] if arguments.image_size else []
            scaat("new-run", spec, "--out", str(config), *size)
        for seed in arguments.seeds:
            folder = arguments.out / f"{name}-{seed}"
            if (folder / "results.json").exists():
                continue
            options = ["--config", str(config), "--seed", str(seed), "--out", str(folder)]
            options += ["--eval-images", str(arguments.images), "--eval-aopc-repeats", "2"]
            options += ["--eval-also-measure", "lattice"]
            if arguments.epochs:
                options += ["--epochs", str(arguments.epochs)]
            if arguments.train_limit:
                options += ["--train-limit", str(arguments.train_limit)]
            scaat("compare", *options, *(["--resume"] if folder.exists() else []))


def scaat(*command: str) -> None:
    """Run a command of scaat's."""
    if status := subprocess.run([sys.executable, "-m", "scaat", *command]).returncode:
        sys.exit(status)  # it has said why


def rows(out: Path) -> dict[tuple[str, str], dict[str, list[dict[str, Any]]]]:
    """Return the results by (data, saliency method) and training method, one for each seed."""
    read: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for path in sorted(out.glob("*/results.json")):
        name = path.parent.name.rpartition("-")[0]
        for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
            read[name, row["attribution"]][row["method"]].append(row)
    return read


def mean(some: list[dict[str, Any]], metric: str) -> float:
    """Return a metric's mean over the seeds; NaN where it was not measured."""
    values = [row[metric]["value"] for row in some if row.get(metric)]
    return fmean(values) if values else float("nan")


def table(arguments: argparse.Namespace) -> None:
    """Write the criteria of each data set and saliency method beside what was measured."""
    header = ["data", "saliency", "seeds", "method", "accuracy", "auc", *METRICS, "cost"]
    lines, criteria = [], []
    found = rows(arguments.out)
    if not found:
        sys.exit(f"{arguments.out} has no results of the command run")
    for (name, saliency), methods in found.items():
        if not methods.keys() >= {"standard", "scaat"}:
            sys.exit(f"{name} has no results of both standard and scaat")
        for method, some in methods.items():
            cost = [row["cost_ratio"] for row in some if row["cost_ratio"]]
            values = [mean(some, metric) for metric in ("accuracy", "auc", *METRICS)]
            lines.append(
                [name, saliency, len(some), method, *values, fmean(cost) if cost else float("nan")]
            )
        base, ours = methods["standard"], methods["scaat"]
        quality = "auc" if base[0].get("auc") else "accuracy"
        lost = mean(base, quality) - mean(ours, quality)
        fall = [mean(ours, key) / mean(base, key) for key in ("aopc_lerf", "blocks_lerf")]
        sparser = {key: mean(ours, key) - mean(base, key) for key in ("gini", "entropy")}
        checks = {
            f"{quality} lost at most {BUDGET}": (lost, lost <= BUDGET),
            "LeRF at most a tenth": (fall[0], fall[0] <= 0.1),
            "LeRF in 2 x 2 blocks at most a tenth": (fall[1], fall[1] <= 0.1),
            "Gini above": (sparser["gini"], sparser["gini"] > 0),
            "entropy below": (-sparser["entropy"], sparser["entropy"] < 0),
        }
        for text, (value, holds) in checks.items():
            criteria.append([name, saliency, text, f"{value:.4g}", "yes" if holds else "**no**"])
    with (arguments.out / "results.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *lines])
    parts = [
        markdown(header, [[f"{v:.4g}" if isinstance(v, float) else v for v in r] for r in lines]),
        markdown(["data", "saliency", "criterion", "measured", "holds"], criteria),
    ]
    (arguments.out / "table.md").write_text("\n".join(parts), encoding="utf-8")
    print("\n".join(parts))


def named(text: str) -> tuple[str, str]:
    """Return the name and the place of NAME=KIND:PATH."""
    name, _, place = text.partition("=")
    if not (name and place):
        raise argparse.ArgumentTypeError(f"expected NAME=KIND:PATH, found {text!r}")
    return name, place


def markdown(header: list[str], lines: list[list[Any]]) -> str:
    """Return a table in Markdown."""
    cells = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in cells) + "\n"


def main() -> None:
    """Run or tabulate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run")
    running.add_argument("--data", type=named, nargs="+", required=True, metavar="NAME=KIND:PATH")
    running.add_argument("--seeds", type=lambda text: [int(s) for s in text.split(",")])
    running.add_argument("--epochs", type=int)
    running.add_argument("--train-limit", type=int)
    running.add_argument("--image-size", type=int, help="as in scaat new-run")
    running.add_argument("--images", type=int, default=200)
    running.add_argument("--out", type=Path, required=True)
    running.set_defaults(act=run, seeds=[0, 1, 2])
    tabulating = commands.add_parser("table")
    tabulating.add_argument("out", type=Path)
    tabulating.set_defaults(act=table)
    arguments = parser.parse_args()
    arguments.act(arguments)


if __name__ == "__main__":
    main()
