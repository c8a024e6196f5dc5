"""Train networks of timm and torchvision, an MLP and a 1-D convolution with several objectives.

    python benchmarks/any_model.py parquet:FOLDER --out results/engineering

Each network trains for one epoch on images of 64 pixels. The benchmark checks for failures and
measures the cost of a step; a few hundred images say nothing about accuracy. The MLP and the
convolution train in their own loop on scikit-learn's data: breast cancer, standardised features
(N, 30), and handwritten digits read row by row as series (N, 8 channels, 8 steps).

Resumable: combinations in any-model.json are not repeated.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scaat.data import DataOptions, load_data
from scaat.evaluation import environment
from scaat.files import write_json, write_text
from scaat.objectives import build_objective, objectives
from scaat.training import TrainingOptions, fit, read_history

NETWORKS = (
    "timm:vit_tiny_patch16_224",
    "timm:convnext_atto",
    "torchvision:resnet18",
    "torchvision:efficientnet_b0",
    "torchvision:vgg16",  # last: it takes longer than the others together
)
LEARNING_RATE = 0.01  # vgg16 without batch norm bears little more
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="as for scaat train --data")
    parser.add_argument("--train-limit", type=int, default=320)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--methods", default=",".join(objectives))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, default=Path("results/engineering"))
    arguments = parser.parse_args()
    methods = arguments.methods.split(",")
    if unknown := sorted({*methods} - {*objectives}):
        parser.error(f"unknown --methods {', '.join(unknown)}; expected {', '.join(objectives)}")
    file = arguments.out / "any-model.json"
    result = json.loads(file.read_text()) if file.exists() else {"rows": []}
    done = {(row["model"], row["method"]) for row in result["rows"]}
    splits = load_data(
        DataOptions(
            data=arguments.data, image_size=64, train_limit=arguments.train_limit, name="images"
        ),
        seed=SEED,
    )
    result["environment"] = environment(torch.device("cpu"))
    settings = {
        "data": Path(arguments.data.rpartition(":")[2]).name,
        "train_images": len(splits.train),
        "batch_size": arguments.batch_size,
        "image_size": list(splits.train.image_size),
        "learning_rate": LEARNING_RATE,
    }
    if result.setdefault("settings", settings) != settings:
        parser.error(f"{file} has rows of other settings: give another --out")
    for model in (*NETWORKS, *OWN_LOOP):
        for method in methods:
            if (model, method) in done:
                continue
            if model in OWN_LOOP:
                row = own_loop(model, method)
            else:
                options = TrainingOptions(
                    model=model,
                    epochs=1,
                    batch_size=arguments.batch_size,
                    learning_rate=LEARNING_RATE,
                    precision=arguments.precision,
                )
                with tempfile.TemporaryDirectory() as folder:
                    trained = fit(splits, method, {}, options, seed=SEED, folder=Path(folder))
                    history = read_history(Path(folder))
                row = row_of(trained.summary, history, len(splits.train))
            result["rows"].append({"model": model, "method": method, **row})
            write_json(file, result)
            write_text(arguments.out / "any-model.md", markdown(result))
            print(result["rows"][-1], flush=True)


def row_of(summary: dict[str, Any], history: dict[str, Any] | None, images: int) -> dict[str, Any]:
    assert history is not None
    return {
        "precision": summary["precision"],
        "seconds": round(summary["train_seconds"], 1),
        "per_second": round(images / summary["train_seconds"], 1),
        "steps": summary["steps"],
        "loss": history["curves"]["loss"][0],
        "accuracy": summary["val_accuracy"],
    }


def tabular() -> tuple[Tensor, Tensor, nn.Module]:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    inputs = torch.from_numpy(data.data).float()
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    network = nn.Sequential(
        nn.Linear(30, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
        nn.Linear(64, 2),
    )  # fmt: skip
    return inputs, torch.from_numpy(data.target).long(), network


def series() -> tuple[Tensor, Tensor, nn.Module]:
    from sklearn.datasets import load_digits

    data = load_digits()
    inputs = torch.from_numpy(data.images).float() / 16
    network = nn.Sequential(
        nn.Conv1d(8, 32, 3, padding=1), nn.BatchNorm1d(32), nn.ReLU(),
        nn.Conv1d(32, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(2), nn.Flatten(),
        nn.Linear(128, 10),
    )  # fmt: skip
    return inputs, torch.from_numpy(data.target).long(), network


OWN_LOOP = {"MLP (N, 30)": tabular, "1-D convolution (N, 8, 8)": series}


def own_loop(model: str, method: str, epochs: int = 5) -> dict[str, Any]:
    """Train on four fifths of the samples in a loop as a user writes it."""
    torch.manual_seed(SEED)
    inputs, labels, network = OWN_LOOP[model]()
    order = torch.randperm(len(inputs))
    held, train = order[: len(order) // 5], order[len(order) // 5 :]
    options: dict[str, Any] = {"bounds": None}
    if method == "scaat":
        options |= {"region_size": 1, "epsilon": 0.1}
    objective = build_objective(method, len(inputs), options)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    start, steps = time.perf_counter(), 0
    for _ in range(epochs):
        for index in train[torch.randperm(len(train))].split(32):
            out = objective(network, inputs[index], labels[index], index)
            optimizer.zero_grad()
            out.loss.backward()
            optimizer.step()
            steps += 1
    seconds = time.perf_counter() - start
    with torch.no_grad():
        correct = network.eval()(inputs[held]).argmax(1) == labels[held]
    return {
        "precision": "32-true",
        "seconds": round(seconds, 1),
        "per_second": round(epochs * len(train) / seconds, 1),
        "steps": steps,
        "loss": out.loss.item(),
        "accuracy": float(correct.float().mean()),
    }


def markdown(result: dict[str, Any]) -> str:
    settings, machine = result["settings"], result["environment"]
    lines = [
        "# Any model, any objective",
        "",
        f"`benchmarks/any_model.py`: one epoch of {settings['train_images']} images of 64 x 64 "
        f"pixels ({settings['data']}), batches of {settings['batch_size']}, SGD at "
        f"{LEARNING_RATE}; the MLP and the 1-D convolution five epochs in a loop of their own. "
        "One CPU thread, with other work on the second core: times tell orders of magnitude. "
        "Accuracy is that of "
        "the validation images; one epoch from random weights teaches little, and VGG-16, which "
        "has no batch norm, nothing at this rate.",
        "",
        f"torch {machine.get('torch', torch.__version__)}. Objectives that are not here take two "
        "steps on each of these networks in `tests/models/test_any_model.py`.",
        "",
        "| model | method | precision | steps | seconds | inputs/s | loss | accuracy |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r['model']} | {r['method']} | {r['precision']} | {r['steps']} | {r['seconds']:.1f} | "
        f"{r['per_second']:.1f} | {r['loss']:.3f} | {r['accuracy']:.3f} |"
        for r in result["rows"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
