"""SCAAT in a plain PyTorch loop: train on handwritten digits, stop, resume, measure the maps.

    python examples/plain_loop.py                      # standard training and SCAAT, 8 epochs
    python examples/plain_loop.py --epochs 4           # stop half way
    python examples/plain_loop.py --epochs 8 --resume  # resume from the checkpoints

Order and random numbers depend on the epoch only, so a training resumes exactly. Needs a plain
installation of scaat, and scikit-learn.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from scaat import SCAAT, Standard
from scaat.functional import aopc, entropy, gini, perturbation_curve, saliency_map
from scaat.integrations import IndexedDataset
from scaat.objectives import Objective, Search

SHOWN = 100  # test images whose maps are measured


def digits() -> tuple[TensorDataset, TensorDataset]:
    """Return training and test images, float (N, 1, 8, 8) in [0, 1], with their labels."""
    source = load_digits()
    images = torch.tensor(source.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(source.target, dtype=torch.int64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    test, train = order[:360], order[360:]
    return TensorDataset(images[train], labels[train]), TensorDataset(images[test], labels[test])


def network() -> nn.Module:
    """Return a small network. Put normalisation first if your network needs it."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


def train(objective: Objective, checkpoint: Path, epochs: int, resume: bool) -> nn.Module:
    """Train up to epoch ``epochs``, from a checkpoint or from scratch."""
    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    parts = {"model": model, "objective": objective, "optimizer": optimizer}
    first = 0
    if resume:
        state = torch.load(checkpoint, weights_only=True)
        first = state.pop("epochs")
        for name, part in parts.items():
            part.load_state_dict(state[name])
    dataset = IndexedDataset(digits()[0])  # (image, label) becomes (image, label, index)
    loader = DataLoader(dataset, batch_size=64, shuffle=True)
    for epoch in range(first, epochs):
        torch.manual_seed(epoch)
        model.train()
        for images, labels, index in loader:
            out = objective(model, images, labels, index)
            optimizer.zero_grad()
            out.loss.backward()
            optimizer.step()
        terms = ", ".join(f"{name} {value.item():.3f}" for name, value in out.terms.items())
        print(f"  epoch {epoch + 1}: {terms}")
        state = {name: part.state_dict() for name, part in parts.items()}
        part_written = checkpoint.with_suffix(".part")
        torch.save({**state, "epochs": epoch + 1}, part_written)
        os.replace(part_written, checkpoint)  # atomic: never half a checkpoint
    return model.eval()


def measure(model: nn.Module) -> dict[str, Tensor]:
    """Return accuracy, and sparsity and faithfulness of the gradient maps."""
    images, labels = digits()[1].tensors
    with torch.no_grad():
        predicted = model(images).argmax(1)
    maps = saliency_map(model, images[:SHOWN], predicted[:SHOWN])
    curves = perturbation_curve(model, images[:SHOWN], maps)
    return {
        "accuracy": (predicted == labels).float().mean(),
        "entropy, bits (lower is sparser)": entropy(maps).mean(),
        "Gini (higher is sparser)": gini(maps).mean(),
        "AOPC LeRF (lower is more faithful)": aopc(curves["lerf"]).mean(),
        "AOPC MoRF": aopc(curves["morf"]).mean(),
    }


def main() -> None:
    """Train by both methods and print their measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8, help="total number of epochs")
    parser.add_argument("--folder", type=Path, default=Path(), help="folder of the checkpoints")
    parser.add_argument("--resume", action="store_true", help="resume from the checkpoints")
    arguments = parser.parse_args()
    samples = len(digits()[0])
    objectives = {
        "standard": Standard(),
        "scaat": SCAAT(
            samples,
            weight=2.0,
            search=Search(epsilon=64 / 255, steps=1, region_size=2),
            search_interval=1,
        ),
    }
    for name, objective in objectives.items():
        print(name)
        path = arguments.folder / f"{name}.pt"
        model = train(objective, path, arguments.epochs, arguments.resume)
        for measured, value in measure(model).items():
            print(f"  {measured}: {value.item():.4f}")


if __name__ == "__main__":
    main()
