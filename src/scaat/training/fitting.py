"""Train one model with one method, and read it back."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn

from scaat.data import DataSplits
from scaat.errors import InputError
from scaat.files import remove_parts, write_json
from scaat.models import build_model
from scaat.models.checkpoint import load_weights, read_checkpoint
from scaat.objectives import build_objective, objectives
from scaat.objectives import objective_options as options_of
from scaat.options.training import TrainingOptions
from scaat.training.architecture import starting_model
from scaat.training.batches import Batches, count_batches
from scaat.training.checkpoint import (
    AtomicCheckpointIO,
    Checkpointing,
    checkpoints,
    newest_checkpoint,
    save_atomically,
    step_of,
    weights_checksum,
)
from scaat.training.devices import (
    Launch,
    LightningPrecision,
    check_accelerator,
    check_compile,
    is_main_process,
    lightning_precision,
    plan_launch,
    precision_plugin,
    slurm_started,
)
from scaat.training.folder import only_training
from scaat.training.interruption import StopRequest, signals_for_children, translate_errors
from scaat.training.logs import FOLDER as LOGS
from scaat.training.logs import RunLog, TrainingClock, progress_callback, read_history
from scaat.training.module import TrainingModule
from scaat.training.same_data import record_data
from scaat.training.warning_filters import Silence, silence

MODEL = "model.pt"
SUMMARY = "training.json"
REFERENCE = "reference"  # the standard training that `fit` makes where none is given


@dataclass(frozen=True)
class TrainedModel:
    """A trained model and what its training took.

    Attributes:
        model: In evaluation mode, on the CPU; maps images in [0, 1] to logits.
        proportion: The final q of every training sample, shape (num_samples,), or None where
            the method has none.
        summary: Seconds, steps, precision and last figures, fit for JSON.
        architecture: The arguments of `build_model` that made the model.
        classes: Name of each class, or None in files of versions that did not record them.
        multilabel: Whether the classes are labels, each present or absent.
    """

    model: nn.Module
    proportion: Tensor | None
    summary: dict[str, Any]
    architecture: dict[str, Any]
    classes: tuple[str, ...] | None
    multilabel: bool = False


def fit(
    splits: DataSplits,
    method: str,
    objective_options: dict[str, Any],
    options: TrainingOptions,
    *,
    seed: int,
    folder: Path,
    reference: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
) -> TrainedModel:
    """Train a model and write it, its logs, checkpoints and summary to ``folder``.

    The files are ``model.pt``, ``training.json``, ``checkpoints/`` (the newest two, each with
    optimiser, schedule, proportions, place in the epoch and running means), ``logs/`` and
    ``labels.sha256``, by which other data are recognised. A run depends on its arguments alone:
    every step's random numbers are seeded by ``seed`` and the step, so on a CPU it resumes exactly
    after an interruption.

    Args:
        splits: The data; validation images are only watched.
        method: Name of the objective.
        objective_options: Its keyword arguments.
        options: Model, optimiser and processes.
        seed: At least 0; sets the initial weights, the order and every draw.
        folder: Where to write.
        reference: Folder of a standard training of the same network, data and length, which a
            method with an accuracy budget is compared with; without one it is trained in
            ``folder/reference``.
        resume: Continue from the folder's newest whole checkpoint, if it has one.
        quiet: Show no progress on standard error.
        callbacks: Of Lightning, beside those of the training itself.

    Raises:
        InputError: An option is out of range, a name is unknown, the folder holds another training
            or one on other data, another process trains there, or the reference is another kind of
            training.
        NonFiniteLossError: The loss became NaN or infinite.
        MemoryExhaustedError: Memory ran out.
        WriteError: A file cannot be written; earlier checkpoints stay.
        TrainingStopped: SIGTERM or SIGUSR1 came; a checkpoint was written.
    """
    check_accelerator(options.accelerator)
    check_compile(options.compile, options.accelerator)
    main_process = is_main_process()
    if main_process and not resume and checkpoints(folder):
        raise InputError(
            f"folder {str(folder)!r} holds checkpoints of a training: expected an empty folder, or "
            "resume to continue it"
        )
    samples = len(splits.train)
    if keeps_budget(method, objective_options):
        if reference is None:
            reference = folder / REFERENCE
            if not is_finished(reference):
                # Bad options are refused before the reference is trained.
                trial = build_objective(method, samples, objective_options, training_steps=1)
                trial.check_shape(splits.train.images.shape)
                alike: dict[str, Any] = {"seed": seed, "resume": True, "quiet": quiet}
                fit(splits, "standard", {}, options, folder=reference, **alike)
    else:
        reference = None
    torch.manual_seed(seed)
    start = starting_model(splits.train, options)
    architecture, model = start.architecture, start.model.to(memory_format=torch.channels_last)
    about_reference: dict[str, Any] = {}
    if reference is not None:
        curves, about_reference = read_reference(reference, architecture, options.epochs)
        objective_options = {**objective_options, **curves}
    if start.weights and main_process and not quiet:
        print(start.weights, file=sys.stderr, flush=True)
    launch = plan_launch(
        options.devices,
        options.nodes,
        options.strategy,
        unused_weights=start.model.several_outputs,
    )
    length = count_batches(samples, options, launch.processes)
    objective = build_objective(method, samples, objective_options, training_steps=length)
    module = TrainingModule(model, objective, options, splits.augmentation, seed)
    precision = lightning_precision(options.precision, options.accelerator)
    with only_training(folder) if main_process else nullcontext():
        start_at = newest_checkpoint(folder) if resume else None
        if resume and main_process:
            remove_parts(folder)
        if main_process:
            record_data(folder, splits)
        shown = [] if quiet else [progress_callback(method)]
        frozen = options.trainable != "all"
        own = [Silence(frozen=frozen), TrainingClock(), *shown, *callbacks, RunLog(folder)]
        checkpointing = Checkpointing(folder, options.checkpoint_every, StopRequest())
        children = signals_for_children if launch.spawns else nullcontext
        with warnings.catch_warnings(), translate_errors(options), children():
            silence(frozen=frozen)
            trainer = _trainer(options, precision, folder, [*own, checkpointing], launch, start_at)
            trainer.fit(
                module,
                datamodule=Batches(splits, options.batch_size, seed, options.workers),
                ckpt_path=start_at,
                weights_only=True,
            )
        # The last checkpoint outlives the processes that trained.
        last = newest_checkpoint(folder)
        assert last is not None
        reached = torch.load(last, weights_only=True, map_location="cpu")
        summary = {
            "method": method,
            **about_reference,
            "train_seconds": reached["callbacks"]["TrainingClock"]["seconds"],
            "steps": int(reached["global_step"]),
            "epochs": options.epochs,
            "precision": precision,
            "device": str(trainer.strategy.root_device),
            "devices": launch.processes,
            "weights": start.weights,
            "threads": torch.get_num_threads(),
            **reached["callbacks"]["RunLog"]["figures"],
        }
        state = {name: weight.cpu().contiguous() for name, weight in model.state_dict().items()}
        proportion = getattr(objective, "proportion", None)
        proportion = proportion.cpu() if isinstance(proportion, Tensor) else None
        train = splits.train
        if trainer.is_global_zero:
            content = {
                "architecture": architecture,
                "state_dict": state,
                "checksum": weights_checksum(state),
                "proportion": proportion,
                "classes": train.classes,
                "multilabel": train.is_multilabel,
            }
            save_atomically(content, folder / MODEL)
            write_json(folder / SUMMARY, summary)
        trainer.strategy.barrier()  # the others may read them now
        return TrainedModel(
            model.cpu().eval(),
            proportion,
            summary,
            architecture,
            train.classes,
            train.is_multilabel,
        )


def read_reference(
    folder: Path, architecture: Mapping[str, Any], epochs: int
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Read the standard training that an accuracy budget is measured against.

    Args:
        folder: Of the standard training, or of a ``scaat compare`` that made one.
        architecture: Of the model to compare, with the images' size, classes and statistics.
        epochs: Of its training.

    Returns:
        The objective's ``reference`` and, where validation images were watched,
        ``validation_reference``; and the reference's seconds and validation accuracy.

    Raises:
        InputError: The folder has no finished standard training of this network, data and length.
    """
    shared = folder / "models" / "standard"
    compared = shared if is_finished(shared) else folder
    _, content = _read_model(compared)
    summary = _read_summary(compared)
    method = summary.get("method", "standard")  # absent in files of earlier versions
    if method != "standard":
        raise InputError(
            f"reference {str(folder)!r} was trained by {method!r}, expected a standard training"
        )
    for name, wanted in architecture.items():
        value = content["architecture"].get(name)
        if value != wanted:
            raise InputError(
                f"reference {str(folder)!r} has {name} {value!r:.60}, "
                f"expected {wanted!r:.60}: the network and data of this training"
            )
    history = read_history(compared)
    curve = [] if history is None else history["curves"].get("cross_entropy", [])
    if len(curve) != epochs or None in curve:
        raise InputError(
            f"reference {str(folder)!r} has {len(curve)} epochs, expected {epochs} as in "
            "this training"
        )
    curves = {"reference": curve}
    validated = history["curves"].get("val_budget_loss", [None]) if history else [None]
    if None not in validated:
        curves["validation_reference"] = validated
    return curves, {
        "reference_seconds": summary["train_seconds"],
        "reference_val_accuracy": summary.get("val_accuracy"),
    }


def keeps_budget(method: str, options: Mapping[str, Any]) -> bool:
    """Tell whether a method keeps an accuracy budget: its weight is not given."""
    known = options_of(objectives[method])
    budgeted = {"accuracy_budget", "reference"} <= known.keys()
    return budgeted and options.get("weight") is None and options.get("reference") is None


def load_trained(folder: Path | str) -> TrainedModel:
    """Read back what `fit` wrote; no code in the files is executed.

    A network of the user's own comes from the module that the file names, as when it was trained.

    Raises:
        InputError: The folder has no finished run, or a file is damaged.
    """
    folder = Path(folder)
    path, content = _read_model(folder)
    expected = content.get("checksum")  # absent in files of versions that did not record it
    if expected not in (None, weights_checksum(content["state_dict"])):
        raise InputError(f"{str(path)!r} is damaged: its weights do not have their checksum")
    architecture = content["architecture"]
    model = build_model(**architecture)
    load_weights(model, content["state_dict"], path, architecture["name"])
    classes = content.get("classes")
    return TrainedModel(
        model.to(memory_format=torch.channels_last).eval(),
        content.get("proportion"),
        _read_summary(folder),
        architecture,
        None if classes is None else tuple(classes),
        content.get("multilabel", False),
    )


def is_finished(folder: Path) -> bool:
    """Whether `fit` has come to its end in ``folder``."""
    return (folder / SUMMARY).is_file()


def _read_model(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return a run's model file and its content."""
    path = _file(folder, MODEL)
    content = read_checkpoint(path)
    if not (isinstance(content, dict) and {"architecture", "state_dict"} <= content.keys()):
        raise InputError(f"{str(path)!r} is not a model that scaat train wrote")
    return path, content


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise InputError(f"folder {str(folder)!r} has no {name}: expected a finished run")
    return path


def _read_summary(folder: Path) -> dict[str, Any]:
    path = _file(folder, SUMMARY)
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # a JSONDecodeError is a ValueError
        raise InputError(f"{str(path)!r} is damaged: {error}") from error
    if not isinstance(summary, dict):
        raise InputError(f"{str(path)!r} is damaged: it holds no summary of a training")
    return summary


def _trainer(
    options: TrainingOptions,
    precision: LightningPrecision,
    folder: Path,
    callbacks: list[Callback],
    launch: Launch,
    start_at: Path | None,
) -> L.Trainer:
    plugins: list[Any] = [AtomicCheckpointIO(), precision_plugin(precision, options.accelerator)]
    if slurm_started():
        # Lightning's own requeueing would write and prefer a checkpoint of another kind.
        plugins.append(SLURMEnvironment(auto_requeue=False))
    return L.Trainer(
        accelerator=options.accelerator,
        devices=launch.devices,
        num_nodes=launch.nodes,
        strategy=launch.strategy,
        accumulate_grad_batches=options.accumulate,
        gradient_clip_val=options.clip_gradient,
        max_epochs=options.epochs,
        # What was logged after the checkpoint comes again.
        logger=TensorBoardLogger(
            folder,
            LOGS,
            "tensorboard",
            purge_step=None if start_at is None else step_of(start_at) + 1,
        ),
        log_every_n_steps=0,  # `RunLog` does it
        deterministic=options.deterministic,
        # The bar is one of the callbacks; Lightning's own would be a second.
        enable_progress_bar=any(hasattr(callback, "get_metrics") for callback in callbacks),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=callbacks,
        plugins=plugins,
    )
