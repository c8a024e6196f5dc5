"""What happens when files can no longer be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scaat.training.checkpoint import checkpoints, newest_checkpoint

pytestmark = pytest.mark.slow

# A limit on the size of files is a real refusal of the system's, without a disk to fill. The second
# epoch's checkpoint does not fit any more; what was written before stays.
PROGRAM = """
import resource, signal, sys
from pathlib import Path
from lightning.pytorch.callbacks import Callback
from scaat.cli.commands import run
import scaat.training.fitting as fitting
import scaat.training.checkpoint as checkpointing

class Fill(Callback):
    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

build = fitting._trainer
fitting._trainer = lambda options, precision, folder, callbacks, *rest: build(
    options, precision, folder, [Fill(), *callbacks], *rest
)
sys.argv = ["scaat", "train", *sys.argv[1:]]
run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(
    image_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ["--data", f"folder:{image_folder}", "--model", "nets:plain", "--epochs", "3"]
    arguments += ["--method", "standard", "--precision", "32", "--batch-size", "8"]
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments, "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    sentence = done.stderr[done.stderr.rindex("error:") :]
    (left,) = checkpoints(out)
    assert ".ckpt' cannot be written (File too large)" in sentence
    assert f"the last whole checkpoint is {left.name}" in sentence
    assert newest_checkpoint(out) == left
    assert not list(out.rglob("*.part"))


def test_a_folder_that_cannot_be_written_is_named(image_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "scaat", "train", "--data", f"folder:{image_folder}"]
    done = subprocess.run(
        [*command, "--epochs", "1", "--out", str(tmp_path / "file" / "run")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "error:" in done.stderr
    assert "file/run" in done.stderr
