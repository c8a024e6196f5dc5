"""Does adapting q to each image matter, or only a rising q? Trains with one q for all images.

    python benchmarks/shared_proportion.py RUN --out FOLDER

RUN is the folder of a SCAAT training with adaptive proportions. The script repeats it with the same
seed, but after each step all images take the mean of the proportions. FOLDER is then an ordinary
run: ``scaat evaluate`` measures it, and the same command resumes it. ``logs/epochs.csv`` has the
proportion. Its ``config.yaml`` equals RUN's, so it does not show that the proportion was shared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from scaat.data import DataOptions, load_data
from scaat.training import TrainingOptions, fit, open_folder, read_config


class SharedProportion(Callback):
    """Gives all images the mean of their proportions after each step."""

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Lightning's hook, after the optimiser's step."""
        proportion = pl_module.get_buffer("objective.proportion")
        proportion.fill_(proportion.double().mean())


def main() -> None:
    """Train RUN again, with one proportion for all images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    config = read_config(arguments.run)
    objective = config["objectives"].get("scaat", {})
    if config.get("method") != "scaat" or not objective.get("adaptive", True):
        raise SystemExit(f"{arguments.run} was not trained by SCAAT with adaptive proportions")
    resume = arguments.out.exists()
    open_folder(arguments.out, config, resume=resume)
    fit(
        load_data(DataOptions(**config["data"]), seed=config["seed"]),
        "scaat",
        objective,
        TrainingOptions(**config["training"]),
        seed=config["seed"],
        folder=arguments.out,
        resume=resume,
        callbacks=[SharedProportion()],
    )


if __name__ == "__main__":
    main()
