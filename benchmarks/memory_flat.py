"""Does memory stay constant over 10,000 training steps? Writes a table to results/engineering/.

    python benchmarks/memory_flat.py --out results/engineering

Trains SCAAT for 10,000 steps on scikit-learn's digits, in float32 on a CPU, and reads the resident
set size of the process every 100 steps.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from scaat.data import DataOptions, load_data
from scaat.files import write_json, write_text
from scaat.training import TrainingOptions, fit

EVERY = 100


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
    """Train, fit a line to the memory, write both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="Folder for the table.")
    parser.add_argument("--steps", type=int, default=10_000, help="Training steps.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    splits = load_data(DataOptions(data="digits"), seed=0)
    batch_size = 16
    epochs = -(-arguments.steps // -(-len(splits.train) // batch_size))
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
    write_json(arguments.out / "memory-flat.json", found)
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
    write_text(arguments.out / "memory-flat.md", text)
    print(text)


if __name__ == "__main__":
    main()
