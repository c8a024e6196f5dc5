"""Images per second of each loader, compared with torchvision, and the waiting time of training.

    python benchmarks/loading.py --out results/engineering

Generates seeded JPEG files of 32, 96 and 224 pixels and reads them with training augmentation (a
crop from a border of reflected pixels, a flip) as float batches in [0, 1]:

- memory, cache, lazy: this package's; crops and flips run in batches in the training process;
- torchvision: `ImageFolder` with `RandomCrop`, `RandomHorizontalFlip`, `ToTensor`, per image in the
  workers of a `DataLoader`.

The second table trains `small-resnet` for one epoch. It gives the fraction of the time between two
steps in which the training process waited for its next batch.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms

from scaat.data import DataOptions, DataSplits, ImageSet, augment, identity, load_data, to_float
from scaat.data.cache import convert
from scaat.files import write_json, write_text
from scaat.training import TrainingOptions, fit

SIZES = {32: 3200, 96: 640, 224: 192}  # images by side
BATCH = 64
PADDING = 4
RUNS = 3


def make_images(folder: Path, side: int, count: int) -> None:
    """Write JPEG files with the smoothness of photographs, in two class folders."""
    rng = np.random.default_rng(side)
    for number in range(count):
        path = folder / "ab"[number % 2] / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        fine = rng.integers(-12, 13, (side, side, 3))
        smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.int16)
        Image.fromarray((smooth + fine).clip(0, 255).astype(np.uint8)).save(path, quality=90)


def ours(images: ImageSet, splits: DataSplits, workers: int) -> Iterator[torch.Tensor]:
    """Yield float batches as training makes them."""
    loader = DataLoader(images, BATCH, shuffle=True, collate_fn=identity, num_workers=workers)
    for raw, _, _ in loader:
        yield to_float(augment(raw, splits.augmentation))


def theirs(folder: Path, side: int, workers: int) -> Iterable[Any]:
    """Return torchvision's loader with the same augmentation."""
    steps = [
        transforms.RandomCrop(side, PADDING, padding_mode="reflect"),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
    ]
    images = torchvision.datasets.ImageFolder(str(folder), transforms.Compose(steps))
    return DataLoader(images, BATCH, shuffle=True, num_workers=workers)


def rate(batches: Iterable[Any], count: int) -> float:
    """Return the images a second of one pass, without the start of its first batch."""
    iterator = iter(batches)
    next(iterator)
    began = time.perf_counter()
    for _ in iterator:
        pass
    return (count - BATCH) / (time.perf_counter() - began)


class Waiting(Callback):
    """Adds up the time from a step's end to the next one's start, and all the time."""

    def __init__(self) -> None:
        self.waited = self.whole = 0.0
        self._ended: float | None = None
        self._first = 0.0

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        """A batch has come."""
        now = time.perf_counter()
        if self._ended is None:
            self._first = now
        else:
            self.waited += now - self._ended
        self.whole = now - self._first

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """A step is done."""
        self._ended = time.perf_counter()


def waiting(splits: DataSplits, method: str, workers: int | None) -> tuple[float, float]:
    """Return the share of an epoch's time that was waited, and its images a second."""
    options = TrainingOptions(
        epochs=1,
        batch_size=BATCH,
        precision="32",
        accelerator="cpu",
        learning_rate=0.01,
        workers=workers,
    )
    clock = Waiting()
    fields = {"weight": 5.0, "steps": 1, "search_interval": 1} if method == "scaat" else {}
    with tempfile.TemporaryDirectory() as folder:
        fit(splits, method, fields, options, seed=0, folder=Path(folder), callbacks=[clock])
    steps = -(-len(splits.train) // BATCH)
    return clock.waited / clock.whole, (steps - 1) * BATCH / clock.whole


def measure(root: Path, side: int, count: int, workers: int) -> tuple[list[dict], list[dict]]:
    """Return the rows of both tables for one size."""
    folder = root / str(side)
    make_images(folder, side, count)
    spec = f"folder:{folder}"
    convert(DataOptions(data=spec), root / f"cache-{side}", lambda *now: None)
    fractions = {"validation_fraction": 0.02, "test_fraction": 0.02}
    ways = {
        "memory": DataOptions(data=spec, loading="memory", **fractions),
        "cache": DataOptions(data=f"cache:{root / f'cache-{side}'}", loading="lazy", **fractions),
        "lazy": DataOptions(data=spec, loading="lazy", **fractions),
    }
    splits = {way: load_data(options, seed=0) for way, options in ways.items()}
    used = {"memory": 0, "cache": 0, "lazy": workers}
    rates: dict[str, list[float]] = {name: [] for name in (*ways, "torchvision")}
    for _ in range(RUNS):
        for way, found in splits.items():
            batches = ours(found.train, found, used[way])
            rates[way].append(rate(batches, len(found.train)))
        rates["torchvision"].append(rate(theirs(folder, side, workers), count))
    base = statistics.median(rates["torchvision"])
    loading = [
        {
            "side": side,
            "way": way,
            "workers": used.get(way, workers),
            "images_per_second": statistics.median(values),
            "beside_torchvision": statistics.median(values) / base,
        }
        for way, values in rates.items()
    ]
    training = []
    # SCAAT's step is longer, so it waits less: once is enough to see.
    for method, way in (*(("standard", way) for way in ways), ("scaat", "lazy")):
        share, speed = waiting(splits[way], method, used[way])
        row = {"side": side, "method": method, "way": way}
        training.append({**row, "waited": share, "images_per_second": speed})
        print(training[-1], flush=True)
    return loading, training


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="Folder for the tables.")
    parser.add_argument("--workers", type=int, default=2, help="Of the ways that decode.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    loading, training = [], []
    with tempfile.TemporaryDirectory() as root:
        for side, count in SIZES.items():
            one, two = measure(Path(root), side, count, arguments.workers)
            loading += one
            training += two
    content = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cores": len(os.sched_getaffinity(0)),
        "batch_size": BATCH,
        "runs": RUNS,
        "loading": loading,
        "training": training,
    }
    write_json(arguments.out / "loading.json", content)
    text = table(content)
    write_text(arguments.out / "loading.md", text)
    print(text)


def table(content: dict[str, Any]) -> str:
    """Return both tables as Markdown."""
    lines = [
        "# Loading",
        "",
        "`benchmarks/loading.py`: seeded JPEG files, batches of "
        f"{content['batch_size']}, the median of {content['runs']} passes; one thread in the "
        f"training process, {content['cores']} cores, torch {content['torch']}, torchvision "
        f"{content['torchvision']}. Memory and cache need no workers.",
        "",
        "| pixels | way | workers | images/s | beside torchvision |",
        "|---:|---|---:|---:|---:|",
    ]
    lines += [
        f"| {row['side']} | {row['way']} | {row['workers']} | {row['images_per_second']:,.0f} | "
        f"{row['beside_torchvision']:.2f} |"
        for row in content["loading"]
    ]
    lines += [
        "",
        "Share of an epoch's time that the training of `small-resnet` waited for its next batch "
        "(scaat: FGSM):",
        "",
        "| pixels | method | way | waited | images/s |",
        "|---:|---|---|---:|---:|",
    ]
    lines += [
        f"| {row['side']} | {row['method']} | {row['way']} | {100 * row['waited']:.1f} % | "
        f"{row['images_per_second']:,.0f} |"
        for row in content["training"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
