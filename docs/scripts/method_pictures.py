"""Draw the pictures of docs/explanation/method.md from models trained on the digits.

``python docs/scripts/method_pictures.py`` trains two networks, which takes a few minutes.
"""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path

import matplotlib
import torch
from PIL import Image
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from docs.scripts.refresh import small

from scaat.data import DataOptions, DataSplits, load_data, to_float
from scaat.functional import lowest, masked_pgd, region_average, saliency_map
from scaat.training import TrainedModel, TrainingOptions, fit

matplotlib.use("agg")
from matplotlib import pyplot as plt

FOLDER = Path(__file__).resolve().parents[1] / "explanation" / "images"
EPSILON, PROPORTION, REGION = 0.5, 0.5, 4
SCAAT = {"epsilon": EPSILON, "initial_proportion": 0.35, "weight": 1.0, "steps": 1}
OPTIONS = {"standard": {}, "scaat": {**SCAAT, "region_size": REGION}}
SHOWN = 6


def main() -> None:
    """Train, and write the three pictures."""
    splits = load_data(DataOptions(data="digits"), seed=0)
    options = TrainingOptions(epochs=12, batch_size=64)
    with tempfile.TemporaryDirectory() as folder:
        trained = {
            method: fit(splits, method, fields, options, seed=0, folder=Path(folder, method))
            for method, fields in OPTIONS.items()
        }
    FOLDER.mkdir(exist_ok=True)
    images, labels = to_float(splits.test.pixels(range(SHOWN))), splits.test.labels[:SHOWN]
    draw_steps(trained["standard"].model, images[:3], labels[:3])
    draw_before_after({name: found.model for name, found in trained.items()}, images, labels)
    draw_proportions(trained["scaat"], splits)


def draw_steps(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """What algorithm 1 makes of an image, step by step, by the functions that SCAAT calls."""
    torch.manual_seed(0)
    maps = saliency_map(model, images, labels)
    averaged = region_average(maps, REGION)
    mask = lowest(averaged, torch.tensor(PROPORTION))
    perturbed = masked_pgd(model, images, mask, epsilon=EPSILON, steps=1)
    with torch.no_grad():
        before, after = (model(x).softmax(1) for x in (images, perturbed))
    columns = {
        "1 image": images[:, 0],
        "2 saliency map": maps,
        "3 region average": averaged,
        "4 lowest part": mask.float(),
        "5 perturbation": (perturbed - images)[:, 0],
        "6 perturbed image": perturbed[:, 0],
    }
    figure, axes = plt.subplots(len(images), len(columns), figsize=(9, 1.75 * len(images)))
    for row, line in enumerate(axes):
        for axis, (title, pictures) in zip(line, columns.items(), strict=True):
            signed = title.startswith("5")
            limits = {"vmin": -EPSILON, "vmax": EPSILON} if signed else {}
            show(axis, pictures[row], cmap="RdBu_r" if signed else "gray", **limits)
            if row == 0:
                axis.set_title(title, fontsize=9)
        for axis, probabilities in ((line[0], before), (line[-1], after)):
            share, found = probabilities[row].max(0)
            axis.set_xlabel(f"says {found.item()} ({share:.2f})", fontsize=9)
    save(figure, "steps.png")


def draw_before_after(models: dict[str, nn.Module], images: Tensor, labels: Tensor) -> None:
    """Gradient maps of the same images after both trainings."""
    rows = {"image": images[:, 0]}
    for name, model in models.items():
        rows[{"standard": "standard", "scaat": "SCAAT"}[name]] = saliency_map(model, images, labels)
    figure, axes = plt.subplots(len(rows), SHOWN, figsize=(9, 1.6 * len(rows)))
    for line, (title, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, pictures, strict=True):
            show(axis, picture, cmap="gray" if title == "image" else "magma")
        line[0].set_ylabel(title, fontsize=9)
    save(figure, "before-after.png")


def draw_proportions(trained: TrainedModel, splits: DataSplits) -> None:
    """Where the samples' proportions went, and the samples at both ends."""
    proportion = trained.proportion
    assert proportion is not None
    order = proportion.argsort(stable=True)
    ends = {"least q": order[:SHOWN], "greatest q": order[-SHOWN:]}
    figure = plt.figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 2))
    axis = left.subplots()
    axis.hist(proportion, bins=40, color="tab:blue")
    axis.axvline(PROPORTION, color="black", linestyle=":")
    axis.set_xlabel("q after training (dotted: at first)", fontsize=9)
    axis.set_ylabel("training images", fontsize=9)
    for line, (title, chosen) in zip(right.subplots(2, SHOWN), ends.items(), strict=True):
        for axis, position in zip(line, chosen.tolist(), strict=True):
            show(axis, splits.train.pixels([position])[0, 0], cmap="gray")
            axis.set_xlabel(f"{proportion[position]:.2f}", fontsize=9)
        line[0].set_ylabel(title, fontsize=9)
    save(figure, "proportions.png")


def show(axis: plt.Axes, picture: Tensor, **style: object) -> None:
    """Show a picture without ticks."""
    axis.imshow(picture, interpolation="nearest", **style)
    axis.set_xticks([])
    axis.set_yticks([])


def save(figure: plt.Figure, name: str) -> None:
    """Write a figure as a small file."""
    if figure.get_layout_engine() is None:
        figure.tight_layout(pad=0.4)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=120)
    (FOLDER / name).write_bytes(small(Image.open(drawn)))


if __name__ == "__main__":
    main()
