"""Does memory stay constant over training steps, and over images? Writes a table of either.

    python benchmarks/memory_flat.py --out results/engineering
    python benchmarks/memory_flat.py --out results/engineering --images 10000 100000

The first trains SCAAT for 10,000 steps on scikit-learn's digits, in float32 on a CPU, and reads the
resident set size of the process every 100 steps.

The second writes JPEG files of noise, 32 pixels, into WebDataset shards of 1,000 in a temporary
folder. For each number of images a new process trains SCAAT with a linear model for an epoch, and
decodes each image when a batch needs it. It reads the process's peak resident set size after the
index is made, and after the epoch.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch import nn

from scaat.data import DataOptions, load_data
from scaat.files import write_json, write_text
from scaat.training import TrainingOptions, fit

EVERY = 100
PER_SHARD = 1000
CLASSES = 10


class MemoryLog(Callback):
    """Reads the resident memory after every hundredth step.

    Attributes:
        steps: Steps made when it was read.
        mebibytes: What was read.
    """

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.mebibytes: list[float] = []

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """Read it."""
        if trainer.global_step % EVERY == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.steps.append(trainer.global_step)
            self.mebibytes.append(pages * 4096 / 2**20)


def main() -> None:
    """Measure over steps or over images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="Folder for the table.")
    parser.add_argument("--steps", type=int, default=10_000, help="Training steps.")
    parser.add_argument("--images", type=int, nargs="+", help="In shards of 1,000.")
    arguments = parser.parse_args()
    if any(images < 1 or images % PER_SHARD for images in arguments.images or ()):
        parser.error(f"--images expects multiples of {PER_SHARD:,}")
    if arguments.steps < 10 * EVERY:
        parser.error(f"--steps expects at least {10 * EVERY:,}, one reading for each column")
    torch.set_num_threads(1)
    if arguments.images:
        over_images(arguments.images, arguments.out)
    else:
        over_steps(arguments.steps, arguments.out)


def over_steps(wanted: int, out: Path) -> None:
    """Train for a number of steps, fit a line to the memory, write both."""
    splits = load_data(DataOptions(data="digits"), seed=0)
    batch_size = 16
    epochs = -(-wanted // -(-len(splits.train) // batch_size))
    log = MemoryLog()
    options = TrainingOptions(
        epochs=epochs, batch_size=batch_size, precision="32", accelerator="cpu", learning_rate=0.02
    )
    with tempfile.TemporaryDirectory() as folder:
        trained = fit(
            splits,
            "scaat",
            {"weight": 5.0, "steps": 1, "epsilon": 0.25, "search_interval": 1},
            options,
            seed=0,
            folder=Path(folder),
            callbacks=[log],
        )
    steps, memory = np.array(log.steps), np.array(log.mebibytes)
    thousands = np.array_split(memory, 10)
    late = memory[len(memory) // 2 :]
    found = {
        "torch": torch.__version__,
        "model": options.model,
        "batch_size": batch_size,
        "steps": int(trained.summary["steps"]),
        "every": EVERY,
        "mebibytes": [round(value, 1) for value in memory],
    }
    write_json(out / "memory-flat.json", found)
    ends = [int(part[-1]) for part in np.array_split(steps, 10)]
    lines = [
        "# Memory over a long training",
        "",
        f"`benchmarks/memory_flat.py`: SCAAT (PGD-1) of `{options.model}` on digits, batches of "
        f"{batch_size}, float32 on one CPU thread, {found['steps']:,} steps; resident memory of "
        f"the process every {EVERY} steps, torch {torch.__version__}.",
        "",
        "| up to step | " + " | ".join(f"{end:,}" for end in ends) + " |",
        "|---|" + "---:|" * len(ends),
        "| median, MiB | " + " | ".join(f"{np.median(part):.0f}" for part in thousands) + " |",
        "| greatest, MiB | " + " | ".join(f"{part.max():.0f}" for part in thousands) + " |",
        "",
        f"In the second half it lies between {late.min():.0f} and {late.max():.0f} MiB. Where it "
        "falls, the system took back pages that were not in use.",
    ]
    text = "\n".join(lines) + "\n"
    write_text(out / "memory-flat.md", text)
    print(text)


def linear(num_classes: int) -> nn.Module:
    """Return a model that costs little beside decoding."""
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, num_classes))


def write_shards(folder: Path, images: int) -> None:
    """Write labelled JPEG files of noise."""
    rng = np.random.default_rng(0)
    for start in range(0, images, PER_SHARD):
        with tarfile.open(folder / f"{start // PER_SHARD:04d}.tar", "w") as tar:
            for number in range(start, start + PER_SHARD):
                noise = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
                noise.save(image := io.BytesIO(), "JPEG")
                label = str(number % CLASSES).encode()
                for ending, content in (("jpg", image.getvalue()), ("cls", label)):
                    member = tarfile.TarInfo(f"{number:08d}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def peak() -> float:
    """Return this process's peak resident memory, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def train_from(shards: Path, images: int) -> dict[str, float]:
    """Train for an epoch and return the peaks; in a process of its own."""
    torch.set_num_threads(1)
    data = f"webdataset:{shards}/{{0000..{images // PER_SHARD - 1:04d}}}.tar"
    held = {"validation_fraction": 0.02, "test_fraction": 0.02}
    splits = load_data(DataOptions(data, loading="lazy", **held), seed=0)
    found = {"images": images, "indexed": peak()}
    options = TrainingOptions(
        model="memory_flat:linear",
        epochs=1,
        batch_size=500,
        precision="32",
        accelerator="cpu",
        learning_rate=0.01,
        workers=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(splits, "scaat", {"weight": 1.0, "steps": 1}, options, seed=0, folder=Path(folder))
    return {**found, "trained": peak()}


def over_images(counts: list[int], out: Path) -> None:
    """Train from shards in a new process for each number of images; write the peaks."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder), max(counts))
        for images in counts:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                rows.append(pool.submit(train_from, Path(folder), images).result())
    write_json(out / "memory-images.json", {"torch": torch.__version__, "rows": rows})
    lines = [
        "# Memory over images",
        "",
        "`benchmarks/memory_flat.py --images`: SCAAT (PGD-1) of a linear model for an epoch from "
        "WebDataset shards, JPEG of 32 pixels decoded when needed, batches of 500, one CPU thread, "
        f"torch {torch.__version__}; peak resident memory of a new process.",
        "",
        "| images | after indexing, MiB | after the epoch, MiB |",
        "|---:|---:|---:|",
        *(f"| {row['images']:,} | {row['indexed']:.0f} | {row['trained']:.0f} |" for row in rows),
    ]
    text = "\n".join(lines) + "\n"
    write_text(out / "memory-images.md", text)
    print(text)


if __name__ == "__main__":
    main()
