"""How much of SCAAT's gain does each cost buy? Trains, measures on test images, draws the front.

    python benchmarks/frontier.py train --data parquet:PATH/TO/cifar10 --out results/frontier
    python benchmarks/frontier.py cost --data parquet:PATH/TO/cifar10 --out results/frontier
    python benchmarks/frontier.py show --out results/frontier

``train`` resumes and skips finished trainings; ``--seeds`` and ``--settings`` choose a part, so
that two processes can divide the work. ``cost`` measures a step of every objective relative to
standard training; use an idle machine. ``show`` writes table and figure of the available results.

Costs and gains are in units of standard training and of PGD-4 SCAAT with the same number of epochs.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scaat.cli.cost import as_json
from scaat.cost import Variant, measure_costs
from scaat.data import DataOptions, load_data, to_float
from scaat.display.labels import METRICS as CATALOGUE
from scaat.display.labels import ratio_text
from scaat.display.style import INK, MUTED, WIDTH, figure_bytes, style
from scaat.display.table import Cell, Line, Table, markdown, printed
from scaat.evaluation import EvaluationOptions, environment
from scaat.files import write_bytes, write_json, write_text
from scaat.report import read_results
from scaat.report.compare import image_values
from scaat.report.examples import saliency_examples
from scaat.studies import Setting, Trial, run_trial, settings_of, trial_config
from scaat.studies.store import is_packed, pack, unpack
from scaat.studies.sweeps import head
from scaat.training import TrainingOptions
from scaat.training.architecture import starting_model

EPOCHS = 6
IMAGES, BATCH = 20_000, 64
STEPS = -(-IMAGES // BATCH)  # an epoch's
BASE, FULL = "standard", "SCAAT, PGD-4"
# Radius and proportion as chosen on validation images for CIFAR-10 (results/frontier/README.md).
# The step of k = 0 and 1 keeps clear of the corners; others have the default of 2.5 epsilon / k.
SCAAT = {
    **{"epsilon": 32 / 255, "initial_proportion": 0.35, "weight": 1.0, "adaptive": False},
    "random_grid": False,
    "search_interval": 1,
}
ONE = {**SCAAT, "steps": 1, "step_size": 40 / 255}
NONE = {**ONE, "steps": 0}  # along the saliency map's own gradient
FAST = {**NONE, "search_interval": 4, "ramp_steps": EPOCHS * STEPS}
# Fewer pixels, further: chosen on seed 0's validation images (results/frontier/README.md).
FAR = {**FAST, "epsilon": 64 / 255, "step_size": 80 / 255, "initial_proportion": 0.2}
FOUR = {**SCAAT, "steps": 4, "step_size": 20 / 255}


@dataclass(frozen=True)
class Entry:
    """A training of the frontier.

    Attributes:
        method: The objective.
        options: Its keyword arguments.
        epochs: Fewer or more for the comparison at equal time.
    """

    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = EPOCHS


ENTRIES: dict[str, Entry] = {
    BASE: Entry("standard"),
    "saliency-guided": Entry("saliency-guided"),
    "SCAAT, no search": Entry("scaat", NONE),
    "SCAAT, PGD-1": Entry("scaat", ONE),
    "SCAAT, PGD-2": Entry("scaat", {**SCAAT, "steps": 2}),
    FULL: Entry("scaat", FOUR),
    "SCAAT, PGD-10": Entry("scaat", {**SCAAT, "steps": 10}),
    # Around these the validation images showed 90 % of PGD-4's gains.
    **{
        f"SCAAT, no search, every 4th step, weight up to {weight}": Entry(
            "scaat", {**FAST, "weight": weight}
        )
        for weight in (16, 20)
    },
    **{
        f"SCAAT, no search, every 4th step, weight up to {weight}, radius 64, q 0.2": Entry(
            "scaat", {**FAR, "weight": weight}
        )
        for weight in (40, 80)
    },
    **{
        f"SCAAT, PGD-1 every 5th step, weight {weight}": Entry(
            "scaat", {**ONE, "search_interval": 5, "weight": weight}
        )
        for weight in (8, 10)
    },
    "SCAAT, PGD-1 every 6th step, weight 7, radius 48": Entry(
        "scaat",
        {
            **{**ONE, "epsilon": 48 / 255, "step_size": 60 / 255},
            **{"search_interval": 6, "weight": 7},
        },
    ),
    "standard, 8 epochs": Entry("standard", epochs=8),
    "SCAAT, PGD-1, 3 epochs": Entry("scaat", ONE, epochs=3),
    "SCAAT, PGD-4, 2 epochs": Entry("scaat", FOUR, epochs=2),
}
PICTURED = (BASE, "saliency-guided", FULL)
METRICS = ("accuracy", "entropy", "gini", "aopc_lerf", "aopc_rel", "blocks_rel")
RESAMPLES = 2000
NO_BREAK = "\N{NO-BREAK SPACE}"
GOAL = 1.4
"""Cost, in standard trainings, at which PGD-4's gain is wanted: the paper's figure for FGSM."""


def images(data: str) -> DataOptions:
    """Return the options of the data that lies in that place."""
    return DataOptions(data, name="CIFAR-10 (JPEG), 20,000 images", train_limit=IMAGES)


def trials(data: str, names: Sequence[str], seeds: Sequence[int]) -> Iterator[Trial]:
    """Yield the trainings, those of a seed together."""
    for seed in seeds:
        for name in names:
            entry = ENTRIES[name]
            training = TrainingOptions(
                model="small-resnet", epochs=entry.epochs, batch_size=BATCH, clip_gradient=None
            )
            config = trial_config(
                entry.method,
                objective=entry.options,
                data=images(data),
                training=training,
                seed=seed,
            )
            yield Trial(name, _folder(name, seed), config)


def _folder(name: str, seed: int) -> str:
    return "-".join(name.replace(",", "").split()) + f"-seed-{seed}"


def train(arguments: argparse.Namespace) -> None:
    """Carry out the trainings and measure them."""
    protocol = EvaluationOptions(
        attributions=("gradient",), images=300, aopc_repeats=2, also_measure=("lattice",)
    )
    if is_packed(arguments.out):
        unpack(arguments.out)
    for seed in arguments.seeds:
        splits = load_data(images(arguments.data), seed=seed)
        for trial in trials(arguments.data, arguments.settings, [seed]):
            print(trial.title, "seed", seed, flush=True)
            place = arguments.out / "trials" / trial.folder
            run_trial(
                trial,
                place,
                splits,
                protocol,
                part="test",
                quiet=True,
                provenance={"command": shlex.join(["python", *sys.argv])},
            )
    pack(arguments.out)


def cost(arguments: argparse.Namespace) -> None:
    """Measure a step of every objective on a batch of the data."""
    splits = load_data(images(arguments.data), seed=0)
    raw, labels, _ = splits.train.__getitems__(list(range(BATCH)))
    named = {n: e for n, e in ENTRIES.items() if e.epochs == EPOCHS}
    costs = measure_costs(
        starting_model(splits.train, TrainingOptions(model="small-resnet")).model,
        [Variant(name, entry.method, entry.options) for name, entry in named.items()],
        to_float(raw),
        labels,
        rounds=arguments.rounds,
        autocast=torch.bfloat16,
        progress=lambda doing: print(doing, flush=True),
    )
    write_json(
        arguments.out / "cost.json",
        {
            "environment": environment(torch.device("cpu")),
            "threads": torch.get_num_threads(),
            "rounds": arguments.rounds,
            "costs": [as_json(each) for each in costs],
        },
    )


def show(arguments: argparse.Namespace) -> None:
    """Write the table, the numbers and the figure."""
    if not (arguments.out / "cost.json").is_file():
        sys.exit(f"{arguments.out} has no cost.json: run the part cost first")
    if is_packed(arguments.out):
        unpack(arguments.out)
    folders = sorted((arguments.out / "trials").glob("*/test/gradient"))
    found = {s.title: s for s in settings_of(read_results(*folders))}
    settings = {name: found[name] for name in ENTRIES if name in found}
    costs = json.loads((arguments.out / "cost.json").read_text(encoding="utf-8"))
    steps = {each["label"]: each for each in costs["costs"]}
    rows = {name: _row(name, settings, steps) for name in settings}
    write_text(arguments.out / "frontier.md", markdown(_table(settings, rows)))
    write_bytes(
        arguments.out / "figures" / "frontier.png", figure_bytes(_figure(settings, rows), "png")
    )
    write_json(arguments.out / "frontier.json", {"rows": rows, "environment": costs["environment"]})
    shown = [arguments.out / "trials" / _folder(n, 0) / "test" / "gradient" for n in PICTURED]
    if all((place / "examples.npz").is_file() for place in shown):
        (comparison,) = read_results(*shown).comparisons
        (plate,) = saliency_examples(comparison)
        write_bytes(arguments.out / "figures" / "maps.png", figure_bytes(plate.figure, "png"))


def _row(name: str, settings: Mapping[str, Setting], steps: Mapping[str, Any]) -> dict[str, Any]:
    """Return passes and time in units of the reference's, and the gains that are kept."""
    entry = ENTRIES[name]
    step = steps[_measured_like(name, steps)]
    share = entry.epochs / EPOCHS
    kept = {key: _kept(key, name, settings) for key in ("aopc_lerf", "gini")}
    return {
        "epochs": entry.epochs,
        "pass_ratio": step["pass_ratio"] * share,
        "time_ratio": {key: value * share for key, value in step["time_ratio"].items()},
        "seeds": list(settings[name].seeds),
        "kept": kept,
    }


def _measured_like(name: str, steps: Mapping[str, Any]) -> str:
    """Return the entry whose step was measured and does the same work as that of ``name``."""
    entry = ENTRIES[name]

    def work(other: Entry) -> list[Any]:  # radius, weight and proportion cost nothing
        return [other.method, *(other.options.get(key) for key in ("steps", "search_interval"))]

    alike = [other for other in steps if work(ENTRIES[other]) == work(entry)]
    return name if name in alike else alike[0]


def _kept(key: str, name: str, settings: Mapping[str, Setting]) -> dict[str, float] | None:
    """Return the share of PGD-4's gain over standard training, with its 95 % interval.

    Seeds are resampled, one fewer than there are (`scaat.statistics.pooled_mean`), and the images
    of each, the same for the three trainings. The gain of LeRF is that of its logarithm.
    """
    names = (BASE, name, FULL)
    if name in (BASE, FULL) or not all(n in settings for n in names):
        return None  # 0 and 1 by definition
    seeds = sorted(set.intersection(*(set(settings[n].seeds) for n in names)))
    values = [np.stack([_values(settings[n], seed, key) for n in names]) for seed in seeds]
    if not values:
        return None
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        chosen = generator.integers(len(values), size=max(1, len(values) - 1))
        means = []
        for i in chosen:
            images = generator.integers(values[i].shape[1], size=values[i].shape[1])
            means.append(values[i][:, images].mean(1))
        draws.append(_gain(key, np.mean(means, axis=0)))
    low, high = np.nanquantile(draws, (0.025, 0.975))
    value = _gain(key, np.mean([v.mean(1) for v in values], axis=0))
    return {"value": float(value), "low": float(low), "high": float(high)}


def _gain(key: str, means: NDArray[np.float64]) -> float:
    if key == "aopc_lerf":
        if (means <= 0).any():  # no logarithm: no pixel of the least relevant matters
            return float("nan")
        means = -np.log(means)
    base, own, full = means
    return float((own - base) / (full - base))


def _values(setting: Setting, seed: int, key: str) -> NDArray[np.float64]:
    (row,) = (row for row in setting.rows if row.seed == seed)
    values = image_values(row, key)
    assert values is not None, "run_trial stores the values of every image"
    return values


def _table(settings: Mapping[str, Setting], rows: Mapping[str, Any]) -> Table:
    columns = ("Epochs", "Passes", "Time", *map(head, METRICS))
    columns += ("log LeRF gain kept", "Gini gain kept", "Seeds")
    lines = []
    for name, row in rows.items():
        time = row["time_ratio"]
        cells = [
            Cell(str(row["epochs"])),
            Cell(ratio_text(row["pass_ratio"])),
            Cell(ratio_text(time["median"]), f"({time['low']:.2f} to {time['high']:.2f})"),
            *(Cell(*printed(key, settings[name].estimate(key, "gradient"))) for key in METRICS),
        ]
        for kept in row["kept"].values():
            if kept is None:
                cells.append(Cell(""))
            else:
                interval = f"[{kept['low']:.0%}, {kept['high']:.0%}]"
                cells.append(Cell(f"{kept['value']:.0%}", interval))
        cells.append(Cell(", ".join(map(str, row["seeds"]))))
        lines.append(Line("", name, tuple(cells)))
    return Table("frontier", "Gain and cost", "", "Training", columns, tuple(lines))


def _figure(settings: Mapping[str, Setting], rows: Mapping[str, Any]) -> Figure:
    """Draw each measure over the measured cost; rings are trainings of another length."""
    with style():
        figure = Figure(figsize=(WIDTH, 4.9), layout="constrained")
        panels = figure.subplots(1, 3)
        points: dict[Axes, list[tuple[float, float]]] = {ax: [] for ax in panels}
        for ax, key in zip(panels, ("aopc_lerf", "gini", "accuracy"), strict=True):
            scale = CATALOGUE[key].scale
            for name, row in rows.items():
                found = settings[name].estimate(key, "gradient")
                assert found is not None
                assert found.value is not None
                at = row["time_ratio"]["median"]
                if found.low is not None and found.high is not None:
                    ends = [found.low * scale, found.high * scale]
                    ax.plot([at, at], ends, color=MUTED, linewidth=0.8)
                face = INK if row["epochs"] == EPOCHS else "white"
                ax.plot(at, found.value * scale, "o", color=face, markeredgecolor=INK, markersize=5)
                points[ax].append((at, found.value * scale))
            ax.axvline(GOAL, color=MUTED, linewidth=0.6, linestyle=":")
            ax.set_xscale("log")
            ax.margins(x=0.08)  # room for a number before the first
            ticks = [1, GOAL, 2, 3, 5, 10]
            ax.set_xticks(ticks, [f"{tick}×" for tick in ticks])
            ax.set_xticks([], minor=True)
            ax.set_xlabel("Cost, standard training = 1")
            ax.set_title(head(key))
        panels[0].set_yscale("log")
        panels[0].set_yticks([5, 10, 20, 50, 100, 200], ["5", "10", "20", "50", "100", "200"])
        panels[0].set_yticks([], minor=True)
        for ax, placed in points.items():
            _number(ax, placed)
        told = "   ".join(
            f"{i} {name}".replace(" ", NO_BREAK) for i, name in enumerate(rows, start=1)
        )
        figure.suptitle(textwrap.fill(told, 160), x=0.01, ha="left", fontsize=7.5)
    return figure


def _number(ax: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Write each point's number beside it; the crowd before the goal's line gets a column."""
    fraction = ax.transScale + ax.transLimits
    lowest = 0.0
    for number, (at, value) in sorted(enumerate(points, start=1), key=lambda each: each[1][1]):
        if not 1 < at < GOAL:
            place, side = ((5, 3), "left") if at > 1 else ((-5, 3), "right")
            ax.annotate(
                str(number),
                (at, value),
                place,
                textcoords="offset points",
                ha=side,
                fontsize=8,
            )
            continue
        height = max(fraction.transform((at, value))[1], lowest)
        lowest = height + 0.035  # a line's height
        ax.annotate(
            str(number),
            (at, value),
            (at / 1.11, height),
            textcoords=("data", "axes fraction"),
            ha="right",
            va="center",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkB": 3},
        )


def main() -> None:
    """Do one of the three parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("train", "cost", "show"))
    parser.add_argument("--out", type=Path, required=True, help="Folder for everything.")
    parser.add_argument("--data", help="As for scaat train; not needed to show.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--settings", nargs="+", choices=list(ENTRIES), default=list(ENTRIES))
    parser.add_argument("--rounds", type=int, default=20, help="Of the measurement of costs.")
    arguments = parser.parse_args()
    if arguments.part != "show" and not arguments.data:
        parser.error(f"{arguments.part} needs --data")
    {"train": train, "cost": cost, "show": show}[arguments.part](arguments)


if __name__ == "__main__":
    main()
