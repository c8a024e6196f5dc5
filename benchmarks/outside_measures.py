"""Do other people's measures prefer SCAAT, and does a filter on a standard model do as well?

    python benchmarks/outside_measures.py RUN... --out results/outside

RUN is the folder of a ``scaat compare``, one for each seed, all of one data set. Every model's
gradient, FORGrad (`scaat.attribution.forgrad`) and, with three classes or more, class competition
are measured on the same test images. FORGrad's cut-off is chosen for each model on validation
images, by the insertion area less the deletion area. If Quantus is installed, some of its metrics
are measured, too.

With ``--fine-tune EPOCHS`` a copy of each model is trained further on images with gaps, and the
maps of this copy are measured by the single deletion score (IDSDS) and by F-Fidelity, so that
neither gaps unlike the training images nor SCAAT's training against gaps decides. Half of the
images lack one of 4 x 4 patches, the others a random tenth of the pixels; Adam, learning rate 1e-4,
as F-Fidelity's authors do.

With ``--centre SIDE`` the object of the last class is in the central SIDE x SIDE pixels, as the
tumour of tissue is in 32 x 32, and localisation is measured on the images of that class. With
``--stain`` it is what is darker than the rest of a blood cell: the stained parasite. Of 50 masks of
infected cells, checked by eye, 48 hold the parasite (6 of them some other dark pixels, too), one
misses it at the rim, and one is empty, as no parasite is to be seen.

Writes ``table.md``, ``table.json`` and ``measures.csv``, which the leaderboard reads
(scripts/leaderboard.py), and a file for each model; a model whose file is there with the same
settings is not measured again, so that the command resumes.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from scaat.attribution import attributions, find_attribution, forgrad
from scaat.data import DataOptions, ImageSet, load_data, to_float
from scaat.declarations import Declaration
from scaat.display.labels import METRICS, attribution_name, method_name
from scaat.display.table import Cell, Line, Table, markdown, printed
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions, environment, evaluate
from scaat.files import write_json, write_text
from scaat.functional import delete_cells
from scaat.functional.baselines import fixed_baseline
from scaat.functional.logits import label_cross_entropy
from scaat.report.compare import to_estimate
from scaat.statistics import mean_interval, pooled_mean
from scaat.training import load_trained, read_config

CUTOFFS = (0.07, 0.1, 0.15, 0.2, 0.3, 0.4)  # cycles per pixel; 15/224 is 0.067
FILTERED = {f"forgrad-{cutoff:g}": cutoff for cutoff in CUTOFFS}
for name, cutoff in FILTERED.items():
    attributions.register(name)(partial(forgrad, cutoff=cutoff))

REQUESTED = ("grid-pointing-game", "single-deletion", "sensitivity-n", "insertion-deletion", "road")
OUTSIDE = (
    *("grid_pointing_game", "single_deletion", "sensitivity_n"),
    *("insertion", "deletion", "road", "max_sensitivity"),
)
GAPPED = ("single_deletion", "fidelity_relevant", "fidelity_irrelevant")
LOCALISATION = ("energy_inside", "pointing_game")
STAIN_DARKER = 35  # of 255, in green, than the median of the cell
COMPETITION = "class-competition"
REFERENCE = ("standard", "gradient")
FINE_TUNED = "fine-tuned: "

Values = dict[str, NDArray[np.float64]]
"""By measure, a value for each image, NaN where it has none."""


def protocol(saliency: tuple[str, ...], images: int, *also: str) -> EvaluationOptions:
    """Return what to measure; AOPC, which is not needed here, with as little as it allows."""
    return EvaluationOptions(
        saliency, also_measure=also, images=images, aopc_steps=1, aopc_repeats=1, examples=1
    )


def with_centre(images: ImageSet, side: int) -> ImageSet:
    """Return the images with the central pixels as the object of the last class."""
    low = torch.tensor([(length - side) / 2 for length in reversed(images.image_size)])
    box = torch.cat([low, low + side])
    is_object = images.labels == len(images.classes) - 1
    return replace(images, boxes=torch.where(is_object.unsqueeze(1), box, torch.zeros(4)))


def with_stain(images: ImageSet) -> ImageSet:
    """Return images of single cells on black with the dark stain as the object of the last class.

    Stained nuclei absorb green light. The rim of two pixels, where compression mixes cell and
    background, is left out.
    """
    pixels = images.pixels().float()
    outside = (pixels.sum(1, keepdim=True) <= 120).float()
    outside = F.max_pool2d(F.pad(outside, (2, 2, 2, 2), value=1.0), 5, stride=1).squeeze(1).bool()
    green = pixels[:, 1].masked_fill(outside, torch.nan)
    usual = green.flatten(1).nanmedian(dim=1).values.view(-1, 1, 1)
    is_object = (images.labels == len(images.classes) - 1).view(-1, 1, 1)
    return replace(images, masks=(green < usual - STAIN_DARKER) & is_object)


def best_filter(model: nn.Module, validation: ImageSet, images: int, seed: int) -> str:
    """Return the FORGrad with the best faithfulness on validation images."""
    options = protocol(tuple(FILTERED), images, "insertion-deletion")
    found = evaluate(model, validation, options, seed=seed).results
    areas = {name: result.metrics for name, result in found.items()}
    return max(
        areas, key=lambda name: areas[name]["insertion"]["value"] - areas[name]["deletion"]["value"]
    )


def measure(
    model: nn.Module,
    gapped: nn.Module | None,
    test: ImageSet,
    saliency: str,
    images: int,
    seed: int,
) -> Values:
    """Return the outside measures of one model's maps, and those of its fine-tuned copy."""
    options = protocol((saliency,), images, *REQUESTED, "stability")
    result = evaluate(model, test, options, seed=seed).results[saliency]
    keys = (*OUTSIDE, *LOCALISATION) if test.has_objects else OUTSIDE
    values = {key: np.asarray(result.per_image[key], dtype=np.float64) for key in keys}
    if gapped is not None:
        options = protocol((saliency,), images, "single-deletion", "f-fidelity")
        found = evaluate(gapped, test, options, seed=seed).results[saliency].per_image
        values |= {FINE_TUNED + key: np.asarray(found[key], dtype=np.float64) for key in GAPPED}
    if find_spec("quantus"):
        measured = test.subset(torch.from_numpy(result.per_image["index"]))
        values |= with_quantus(model, measured, saliency)
    return values


def fine_tuned(model: nn.Module, train: ImageSet, epochs: int, seed: int) -> nn.Module:
    """Return a copy of the model that was trained further on images with gaps."""
    copied = deepcopy(model).train()
    optimizer = torch.optim.Adam(copied.parameters(), lr=1e-4, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(seed)
    baseline = fixed_baseline("mean")
    for _ in range(epochs):
        for index in torch.randperm(len(train), generator=generator).split(64):
            images = to_float(train.subset(index).pixels())
            half = len(images) // 2
            patches = torch.randint(16, (half,), generator=generator)
            scattered = torch.rand(len(images) - half, *images.shape[2:], generator=generator) < 0.1
            rest = images[half:]
            gaps = [delete_cells(images[:half], patches)] if half else []
            gaps.append(baseline.put(rest, scattered, baseline.paint(rest)))
            loss = label_cross_entropy(copied(torch.cat(gaps)), train.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return copied.eval()


def with_quantus(model: nn.Module, images: ImageSet, saliency: str) -> Values:
    """Return Quantus' metrics of the same maps; sizes and noise as in ours, the rest as there."""
    import quantus

    attribute = find_attribution(saliency)

    def explain(model: nn.Module, inputs: Any, targets: Any, **_: Any) -> NDArray[Any]:
        pixels = torch.as_tensor(inputs, dtype=torch.float32).clamp(0, 1)
        classes = torch.as_tensor(targets).long().reshape(-1)
        return attribute(model, pixels, classes).unsqueeze(1).numpy()

    inputs = to_float(images.pixels())
    with torch.no_grad():
        targets = torch.cat([model(part) for part in inputs.split(64)]).argmax(1)
    plain = {"disable_warnings": True, "display_progressbar": False}
    metrics = {
        "faithfulness correlation": quantus.FaithfulnessCorrelation(
            subset_size=round(0.1 * inputs[0, 0].numel()), return_aggregate=False, **plain
        ),
        "complexity": quantus.Complexity(**plain),
        "sparseness": quantus.Sparseness(**plain),
        "max-sensitivity": quantus.MaxSensitivity(nr_samples=10, lower_bound=0.02, **plain),
        "random logit": quantus.RandomLogit(num_classes=len(images.classes), **plain),
    }
    given = {
        "x_batch": inputs.numpy(),
        "y_batch": targets.numpy(),
        "a_batch": explain(model, inputs, targets),
        "explain_func": explain,
    }
    return {
        f"Quantus: {name}": np.asarray(metric(model=model, **given), dtype=np.float64)
        for name, metric in metrics.items()
    }


def measure_run(run: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the measured models of one run, from their files where they are there."""
    config = read_config(run)
    if config.get("command") != "compare":
        raise InputError(f"folder {str(run)!r} is not of scaat compare")
    splits = load_data(DataOptions(**config["data"]), seed=config["seed"])
    test = splits.test
    if options.centre:
        test = with_centre(test, options.centre)
    elif options.stain:
        test = with_stain(test)
    rows = []
    for method in config["methods"]:
        settings = {
            "run": run.resolve().name,
            "data": splits.name,
            "method": method,
            "seed": config["seed"],
            "images": options.images,
            "validation_images": options.validation_images,
            "centre": options.centre,
            "stain": options.stain,
            "fine_tune": options.fine_tune,
            "quantus": find_spec("quantus") is not None,
        }
        path = options.out / f"{run.resolve().name}-{method}.json"
        if path.is_file():
            row = json.loads(path.read_text(encoding="utf-8"))
            if row["settings"] != settings:
                raise InputError(f"{path} has other settings: remove it or give another --out")
        else:
            model = load_trained(run / "models" / method).model
            chosen = best_filter(
                model, splits.validation, options.validation_images, config["seed"]
            )
            gapped = None
            if options.fine_tune:
                gapped = fine_tuned(model, splits.train, options.fine_tune, config["seed"])
            row = {"settings": settings, "cutoff": FILTERED[chosen], "values": {}}
            maps = {"gradient": "gradient", "forgrad": chosen}
            if len(splits.train.classes) > 2:
                maps[COMPETITION] = COMPETITION
            for name, saliency in maps.items():
                found = measure(model, gapped, test, saliency, options.images, config["seed"])
                row["values"][name] = {
                    key: [None if np.isnan(value) else value for value in values.tolist()]
                    for key, values in found.items()
                }
            write_json(path, row)
        row["model"] = config["training"]["model"]
        print(f"{method}, seed {config['seed']}: FORGrad's cut-off {row['cutoff']:g}", flush=True)
        rows.append(row)
    return rows


def interval(by_seed: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Return the mean over seeds and images, and its interval."""
    known = [values for values in by_seed if not np.isnan(values).all()]
    return pooled_mean(known) if len(known) > 1 else mean_interval((known or by_seed)[0])


def by_training(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[int, Values]]:
    """Return the values of each training and saliency method by seed."""
    values: dict[tuple[str, str], dict[int, Values]] = {}
    for row in rows:
        for saliency, found in row["values"].items():
            arrays = {key: np.array(v, dtype=np.float64) for key, v in found.items()}
            key = (row["settings"]["method"], saliency)
            values.setdefault(key, {})[row["settings"]["seed"]] = arrays
    return values


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return a line for each training, saliency method and measure: its mean over the seeds."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = ("data", "model", "method", "saliency", "seeds", "measure", "value", "low", "high", "n")
    table.writerow(names)
    shared = (rows[0]["settings"]["data"], rows[0]["model"])
    for pair, seeds in by_training(rows).items():
        for key in next(iter(seeds.values())):
            mean = interval([values[key] for values in seeds.values()])
            numbers = (mean[name] for name in names[-4:])
            table.writerow([*shared, *pair, len(seeds), key, *numbers])
    return text.getvalue()


def metric_of(key: str) -> Declaration | None:
    """Return the metric that a measure is, of the model or of its fine-tuned copy."""
    return METRICS.get(key.removeprefix(FINE_TUNED))


def label(key: str) -> str:
    """Return how the table calls a measure."""
    metric = metric_of(key)
    if metric is None:
        return key
    return metric.label + (", fine-tuned" if key.startswith(FINE_TUNED) else "")


def summarise(rows: list[dict[str, Any]]) -> Table:
    """Return the table, each cell with its verdict against standard training's gradient."""
    values = by_training(rows)
    measures = list(next(iter(next(iter(values.values())).values())))
    reference = values.get(REFERENCE, {})

    def cell(pair: tuple[str, str], key: str) -> Cell:
        found = to_estimate(interval([seed[key] for seed in values[pair].values()]))
        metric = metric_of(key)
        value, text = printed(metric.key if metric else "hoyer", found)
        shared = values[pair].keys() & reference.keys()
        if pair == REFERENCE or not shared or found.value is None:
            return Cell(value, text)
        apart = interval([values[pair][seed][key] - reference[seed][key] for seed in shared])
        if apart["low"] is None or apart["low"] <= 0 <= apart["high"]:
            return Cell(value, text, note="≈")
        if metric is None:
            return Cell(value, text, note="higher" if apart["low"] > 0 else "lower")
        return Cell(
            value,
            text,
            note="better" if (apart["low"] > 0) == metric.higher_is_better else "worse",
        )

    return Table(
        name="outside",
        caption="Measures by others",
        note="Means over test images, and over seeds where there are several; brackets: 95 % "
        "interval. In round brackets: better or worse than the gradient of standard training, as "
        "the interval of the difference, image by image, excludes 0; ≈ it includes 0. FORGrad's "
        "cut-off is chosen on validation images.",
        stub="Training",
        columns=tuple(map(label, measures)),
        lines=tuple(
            Line(
                attribution_name(saliency),
                method_name(method),
                tuple(cell((method, saliency), key) for key in measures),
            )
            for method, saliency in sorted(values, key=lambda pair: pair[1] != "gradient")
        ),
        over="Saliency method",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results/outside"))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--validation-images", type=int, default=100)
    objects = parser.add_mutually_exclusive_group()
    objects.add_argument("--centre", type=int, metavar="SIDE")
    objects.add_argument("--stain", action="store_true")
    parser.add_argument("--fine-tune", type=int, default=0, metavar="EPOCHS")
    options = parser.parse_args()
    if not find_spec("quantus"):
        print("Quantus is not installed: its metrics are left out.")
    try:
        rows = [row for run in options.runs for row in measure_run(run, options)]
    except InputError as error:
        parser.error(str(error))
    if len({row["settings"]["data"] for row in rows}) > 1:
        parser.error("the runs are of several data sets, expected one")
    models = [(row["settings"]["method"], row["settings"]["seed"]) for row in rows]
    if len(set(models)) < len(models):
        parser.error("two runs have the same training seed, expected one run for each seed")
    table = summarise(rows)
    lines = [
        f"# Measures by others: {rows[0]['settings']['data']}",
        "",
        f"`benchmarks/outside_measures.py`: {options.images} test images, "
        f"{len({row['settings']['seed'] for row in rows})} seed(s).",
        "",
        markdown(table),
        table.note,
        "",
        *(
            f"- FORGrad's cut-off for {method_name(row['settings']['method'])}, seed "
            f"{row['settings']['seed']}: {row['cutoff']:g} cycles per pixel"
            for row in rows
        ),
    ]
    write_text(options.out / "table.md", "\n".join(lines) + "\n")
    write_text(options.out / "measures.csv", as_csv(rows))
    write_json(
        options.out / "table.json",
        {"environment": environment(), "columns": table.columns, "lines": asdict(table)["lines"]},
    )
    print(markdown(table))


if __name__ == "__main__":
    main()
