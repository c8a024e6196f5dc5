"""Are averaged weights better than the last ones? Measures both from one training.

    python benchmarks/averaged_weights.py RUN --out FOLDER

RUN is a folder with the ``config.yaml`` of a training. The script repeats it with the same seed and
keeps exponential moving averages of weights and batch-norm statistics, one per decay. FOLDER/last
and FOLDER/decay-D are ordinary runs with results on validation images; FOLDER/averages.md has the
table. An interrupted training starts again.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from scaat.data import DataOptions, load_data
from scaat.display.table import markdown
from scaat.evaluation import EvaluationOptions
from scaat.files import write_text
from scaat.models.checkpoint import read_checkpoint
from scaat.report import read_results
from scaat.studies import Trial, run_trial, settings_of
from scaat.studies.sweeps import sweep_table
from scaat.training import read_config
from scaat.training.checkpoint import save_atomically, weights_checksum
from scaat.training.fitting import MODEL, SUMMARY
from scaat.training.folder import CONFIG

# With 0.999 the first weights would still count for 15 % after six epochs.
DECAYS = (0.98, 0.995)
PROTOCOL = EvaluationOptions(
    attributions=("gradient",), also_measure=("lattice", "calibration"), images=300, aopc_repeats=2
)


class Averages(Callback):
    """Keeps moving averages of the model beside its training.

    Lightning's own callback keeps one, and averages the objective's state as well.
    """

    def __init__(self) -> None:
        self.models: dict[float, AveragedModel] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook, with the model on its device."""
        model = pl_module.get_submodule("model")
        self.models = {
            decay: AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
            for decay in DECAYS
        }

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Lightning's hook, after the optimiser's step."""
        for average in self.models.values():
            average.update_parameters(pl_module.get_submodule("model"))


def write_average(last: Path, folder: Path, average: AveragedModel) -> None:
    """Write the run in ``last`` once more to ``folder``, with the averaged weights."""
    folder.mkdir(parents=True, exist_ok=True)
    content = read_checkpoint(last / MODEL)
    state = dict(average.module.cpu().state_dict())
    content |= {"state_dict": state, "checksum": weights_checksum(state)}
    save_atomically(content, folder / MODEL)
    for name in (CONFIG, SUMMARY):
        shutil.copy(last / name, folder / name)


def study(config: Mapping[str, Any], out: Path) -> None:
    """Train once, and measure the last weights and each average."""
    splits = load_data(DataOptions(**config["data"]), seed=config["seed"])
    averages = Averages()

    def measured(title: str, folder: str) -> list[Path]:
        trial = Trial(title, folder, config)
        return run_trial(
            trial, out / folder, splits, PROTOCOL, part="validation", callbacks=[averages]
        )

    results = measured("last weights", "last")
    for decay, average in averages.models.items():
        folder = f"decay-{decay}"
        write_average(out / "last", out / folder, average)
        results += measured(f"average, decay {decay}", folder)
    table = sweep_table(settings_of(read_results(*results)), "gradient")
    write_text(out / "averages.md", markdown(table))


def main() -> None:
    """Study the training of RUN."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.out.exists():
        parser.error(f"{arguments.out} exists, expected a new folder")
    study(read_config(arguments.run), arguments.out)


if __name__ == "__main__":
    main()
