"""A run that is cut anywhere ends as if it had not been."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from scaat.data import DataSplits
from scaat.errors import InputError, TrainingStopped
from scaat.objectives import objectives
from scaat.training import TrainedModel, TrainingOptions, fit, is_finished, read_history
from scaat.training.checkpoint import checkpoints

OPTIONS = TrainingOptions(
    model="nets:tiny",
    epochs=3,
    batch_size=8,
    learning_rate=0.05,
    precision="32",
    accelerator="cpu",
    checkpoint_every=2,
)
SCAAT = {
    "weight": 5.0,
    "steps": 1,
    "proportion_step": 0.03,
    "region_size": 2,
    "search_interval": 1,
}


class CutError(Exception):
    """What stands for a kill here; real ones are in test_kill.py."""


class Cut(Callback):
    """Ends the training before a batch, or by a signal."""

    def __init__(self, epoch: int, batch: int, signal_number: int = 0) -> None:
        self.place = (epoch, batch)
        self.signal_number = signal_number

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        if (trainer.current_epoch, batch_idx) == self.place:
            if self.signal_number:
                os.kill(os.getpid(), self.signal_number)
            else:
                raise CutError


def run(splits: DataSplits, folder: Path, options: TrainingOptions = OPTIONS, **extra: Any) -> Any:
    torch.manual_seed(hash(str(folder)) % 1000)  # whatever a new process's generators hold
    method = extra.pop("method", "scaat")
    fields = {**SCAAT, **extra.pop("fields", {})} if method == "scaat" else {}
    return fit(splits, method, fields, options, seed=3, folder=folder, **extra)


def assert_same(one: TrainedModel, two: TrainedModel, first: Path, second: Path) -> None:
    """Weights, proportions, figures and logs, bit by bit; times apart."""
    for name, weight in one.model.state_dict().items():
        assert torch.equal(weight, two.model.state_dict()[name]), name
    if one.proportion is not None:
        assert two.proportion is not None
        assert torch.equal(one.proportion, two.proportion)
    figures = [
        {key: value for key, value in trained.summary.items() if "seconds" not in key}
        for trained in (one, two)
    ]
    assert figures[0] == figures[1]
    for name in ("steps.csv", "epochs.csv"):
        logs = [(folder / "logs" / name) for folder in (first, second)]
        if logs[0].exists() or logs[1].exists():
            assert logs[0].read_bytes() == logs[1].read_bytes(), name
    assert read_history(first) == read_history(second)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "places"),
    [
        *((method, [(0, 5), (1, 1), (1, 4), (2, 5)]) for method in objectives),
        ("scaat", [(0, 0)]),  # before any checkpoint
        ("scaat", [(0, 3)]),  # after the checkpoint of step 2
        ("scaat", [(1, 0)]),  # right after an epoch's end
        ("scaat", [(1, 5)]),  # before an epoch's last batch
    ],
)
def test_resume_is_bit_identical(
    method: str, places: list[tuple[int, int]], splits: DataSplits, tmp_path: Path
) -> None:
    whole = run(splits, tmp_path / "whole", method=method)
    folder = tmp_path / "cut"
    for number, place in enumerate(places):
        with pytest.raises(CutError):
            run(splits, folder, method=method, callbacks=[Cut(*place)], resume=number > 0)
        assert not is_finished(folder)
    resumed = run(splits, folder, method=method, resume=True)
    assert_same(whole, resumed, tmp_path / "whole", folder)
    assert len(checkpoints(folder)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("interval", [4, 10])
def test_resume_inside_an_interval_is_bit_identical(
    interval: int, splits: DataSplits, tmp_path: Path
) -> None:
    """Six steps an epoch: with 10 the last of three epochs has no search, and no divergence."""
    fields = {"search_interval": interval}
    whole = run(splits, tmp_path / "whole", fields=fields)
    folder = tmp_path / "cut"
    for number, place in enumerate([(0, 3), (1, 0), (1, 5), (2, 1)]):
        with pytest.raises(CutError):
            run(splits, folder, fields=fields, callbacks=[Cut(*place)], resume=number > 0)
    resumed = run(splits, folder, fields=fields, resume=True)
    assert_same(whole, resumed, tmp_path / "whole", folder)


@pytest.mark.parametrize("change", [{"accumulate": 2}, {"precision": "bf16"}, {"precision": "16"}])
def test_resume_with_accumulation_and_half_precision(
    change: dict[str, Any], splits: DataSplits, tmp_path: Path
) -> None:
    options = replace(OPTIONS, **change, checkpoint_every=1)
    whole = run(splits, tmp_path / "whole", options)
    with pytest.raises(CutError):
        run(splits, tmp_path / "cut", options, callbacks=[Cut(1, 3)])
    resumed = run(splits, tmp_path / "cut", options, resume=True)
    assert_same(whole, resumed, tmp_path / "whole", tmp_path / "cut")


def test_resume_after_the_last_checkpoint(splits: DataSplits, tmp_path: Path) -> None:
    """Cut between the last epoch's checkpoint and the model file."""
    whole = run(splits, tmp_path)
    for name in ("model.pt", "training.json"):
        (tmp_path / name).unlink()
    (tmp_path / "checkpoints" / ".left.1.part").touch()
    again = run(splits, tmp_path, resume=True)
    assert_same(whole, again, tmp_path, tmp_path)
    assert not list(tmp_path.rglob("*.part"))


def test_resume_without_a_checkpoint_begins_anew(splits: DataSplits, tmp_path: Path) -> None:
    whole = run(splits, tmp_path / "whole")
    again = run(splits, tmp_path / "empty", resume=True)
    assert_same(whole, again, tmp_path / "whole", tmp_path / "empty")


@pytest.mark.parametrize("damage", ["truncated", "flipped", "checksum"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    damage: str, splits: DataSplits, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(splits, tmp_path / "whole")
    folder = tmp_path / "cut"
    with pytest.raises(CutError):
        run(splits, folder, callbacks=[Cut(1, 5)])
    before, newest = checkpoints(folder)
    _damage(newest, damage)
    resumed = run(splits, folder, resume=True)
    said = capsys.readouterr().err
    assert f"{newest.name}' is damaged; resuming from {before.name}" in said
    assert_same(whole, resumed, tmp_path / "whole", folder)


def _damage(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    if damage == "checksum":
        path.with_name(f"{path.name}.sha256").unlink()
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def test_only_damaged_checkpoints_are_refused(splits: DataSplits, tmp_path: Path) -> None:
    with pytest.raises(CutError):
        run(splits, tmp_path, callbacks=[Cut(1, 5)])
    for path in checkpoints(tmp_path):
        _damage(path, "truncated")
    with pytest.raises(InputError, match="are damaged, expected one whole"):
        run(splits, tmp_path, resume=True)


def test_a_newer_format_is_refused(
    splits: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("scaat.training.checkpoint.FORMAT", 2)
        with pytest.raises(CutError):
            run(splits, tmp_path, callbacks=[Cut(1, 5)])
    with pytest.raises(InputError, match="has format 2, expected 1"):
        run(splits, tmp_path, resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("place", [(1, 2), (1, 5)])  # inside an epoch; in its last batch
def test_a_signal_ends_with_a_checkpoint(
    number: int, place: tuple[int, int], splits: DataSplits, tmp_path: Path
) -> None:
    options = replace(OPTIONS, checkpoint_every=1000)
    whole = run(splits, tmp_path / "whole", options)
    handler = signal.getsignal(number)
    with pytest.raises(TrainingStopped) as stopped:
        run(splits, tmp_path / "cut", options, callbacks=[Cut(*place, number)])
    step = 6 * place[0] + place[1] + 1
    assert (stopped.value.signal_number, stopped.value.step) == (number, step)
    assert f"after step {step}; the same command with --resume" in str(stopped.value)
    assert signal.getsignal(number) == handler
    resumed = run(splits, tmp_path / "cut", options, resume=True)
    assert_same(whole, resumed, tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
def test_two_processes_resume(splits: DataSplits, tmp_path: Path) -> None:
    options = replace(OPTIONS, batch_size=4, devices=2, epochs=2)
    whole = run(splits, tmp_path / "whole", options)
    with pytest.raises(Exception, match="CutError"):
        run(splits, tmp_path / "cut", options, callbacks=[Cut(1, 3)])
    resumed = run(splits, tmp_path / "cut", options, resume=True)
    assert_same(whole, resumed, tmp_path / "whole", tmp_path / "cut")
    alone = replace(options, devices=1)
    for name in ("model.pt", "training.json"):
        (tmp_path / "cut" / name).unlink()
    with pytest.raises(InputError, match="written by 2 processes, found 1"):
        run(splits, tmp_path / "cut", alone, resume=True)


def test_another_training_in_the_folder_is_refused(splits: DataSplits, tmp_path: Path) -> None:
    run(splits, tmp_path)
    with pytest.raises(InputError, match="holds checkpoints of a training"):
        run(splits, tmp_path)
