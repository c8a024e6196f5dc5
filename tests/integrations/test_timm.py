"""timm's own loaders, task conventions and checkpoints, in one process and in two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from timm.data import FastCollateMixup, create_dataset, create_loader
from timm.task import resume_task_checkpoint
from timm.utils import CheckpointSaver
from torch import Tensor, distributed, nn

from integration_reference import (
    CLASSES,
    MEAN,
    SEED,
    STD,
    Recording,
    assert_equal,
    own_trainer,
    pictures,
    replay,
    schedule,
    state_of,
)
from scaat import Standard
from scaat.errors import InputError
from scaat.integrations.timm import IndexedTargets, ObjectiveTask
from scaat.training.batches import seed_step
from two_processes import in_two_processes

pytestmark = pytest.mark.slow

SAMPLES, SIDE, BATCH = 18, 16, 4
EPOCHS = 2


def network() -> nn.Module:
    torch.manual_seed(1)
    return timm.create_model("test_resnet", num_classes=CLASSES, in_chans=1)


def write_images(folder: Path) -> None:
    images, labels = pictures(SAMPLES, SIDE)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / str(int(label)) / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(image[0].numpy()).save(path)


def dataset(folder: Path) -> Any:
    return create_dataset("", root=folder, input_img_mode="L")


def train_loader(folder: Path, **options: Any) -> Any:
    """As timm's training script makes it, with pixels instead of normalised images."""
    return create_loader(
        IndexedTargets(dataset(folder)),
        input_size=(1, SIDE, SIDE),
        batch_size=BATCH,
        is_training=True,
        no_aug=True,
        mean=(0,),
        std=(1,),
        num_workers=0,
        persistent_workers=False,
        device=torch.device("cpu"),
        **options,
    )


def order(folder: Path) -> tuple[Tensor, Tensor]:
    """The images and labels as timm numbers them."""
    images, labels = pictures(SAMPLES, SIDE)
    names = dataset(folder).filenames(basename=True)
    numbers = torch.tensor([int(name.partition(".")[0]) for name in names])
    return images[numbers], labels[numbers]


def small_network() -> nn.Module:
    """One that is compiled in a moment."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, CLASSES),
    )


def new_task(model: nn.Module | None = None) -> ObjectiveTask:
    objective = Recording(SAMPLES)
    return ObjectiveTask(model or network(), objective, mean=MEAN, std=STD, verbose=False)


def train(
    task: ObjectiveTask, loader: Any, epochs: range, optimizer: Any, scheduler: Any, rank: int = 0
) -> None:
    """The steps of timm's train_one_epoch."""
    for epoch in epochs:
        if hasattr(loader.sampler, "set_epoch"):
            loader.sampler.set_epoch(epoch)
        else:
            torch.manual_seed(epoch)  # of the order
        task.train()
        for batch, (images, target) in enumerate(loader):
            seed_step(SEED, epoch * len(loader) + batch, rank)
            result = task(images, target)
            optimizer.zero_grad()
            result["loss"].backward()
            optimizer.step()
            scheduler.step()
            task.update_ema()


def two_epochs(folder: Path) -> ObjectiveTask:
    loader = train_loader(folder)
    task = new_task()
    optimizer, scheduler = schedule(task.trainable_module, EPOCHS * len(loader))
    train(task, loader, range(EPOCHS), optimizer, scheduler)
    return task


def test_training_equals_our_own(tmp_path: Path) -> None:
    write_images(tmp_path)
    images, labels = order(tmp_path)
    task = two_epochs(tmp_path)
    assert isinstance(task.objective, Recording)
    visits = task.objective.visits
    assert len(visits) == EPOCHS * (SAMPLES // BATCH)
    for visit in visits:  # each image came with its label and its index
        assert torch.equal(visit.labels, labels[visit.index])
        assert torch.equal(visit.images, images[visit.index].float() / 255)
    found = state_of(task.objective, task.trainable_module)
    assert_equal(found, replay(network(), visits, SAMPLES))
    expected = own_trainer(network(), visits, images, labels)
    assert torch.equal(found["proportion"], expected["proportion"])
    torch.testing.assert_close(found, expected)


def test_a_resumed_training_ends_as_one_that_was_not_cut(tmp_path: Path) -> None:
    write_images(tmp_path / "data")
    whole = two_epochs(tmp_path / "data")
    loader = train_loader(tmp_path / "data")
    task = new_task()
    task.setup_ema(decay=0.5)
    optimizer, scheduler = schedule(task.trainable_module, EPOCHS * len(loader))
    train(task, loader, range(1), optimizer, scheduler)
    saver = CheckpointSaver(
        task.get_trainable_module(), optimizer, checkpoint_dir=str(tmp_path), task=task
    )
    saver.save_checkpoint(0)

    resumed = new_task()
    average = resumed.setup_ema(decay=0.5)
    path = tmp_path / "last.pth.tar"
    optimizer, later = schedule(resumed.trainable_module, EPOCHS * len(loader))
    assert resume_task_checkpoint(resumed, path, optimizer, log_info=False) == 1
    later.load_state_dict(scheduler.state_dict())
    assert_equal(
        state_of(resumed.objective, resumed.trainable_module),
        state_of(task.objective, task.trainable_module),
    )
    content = torch.load(path, weights_only=True)
    resumed.load_checkpoint_state(
        content["state_dict_ema"], content.get("task_state_ema"), ema=True
    )
    for name, value in average.module.state_dict().items():
        assert torch.equal(value, task.trainable_module_ema.module.state_dict()[name])
    assert not torch.equal(average.module.fc.weight, resumed.trainable_module.fc.weight)
    # The network's weights have timm's own names, so timm's other scripts read the checkpoint.
    network().load_state_dict(content["state_dict"])

    train(resumed, loader, range(1, EPOCHS), optimizer, later)
    assert_equal(
        state_of(resumed.objective, resumed.trainable_module),
        state_of(whole.objective, whole.trainable_module),
    )


def test_a_checkpoint_of_another_training_set_is_refused() -> None:
    task = new_task()
    other = ObjectiveTask(network(), Recording(SAMPLES + 1), mean=None, std=None, verbose=False)
    with pytest.raises(InputError, match=r"checkpoint holds .*\(19,\).* has .*\(18,\)"):
        task.load_task_state(other.get_task_state())
    with pytest.raises(InputError, match="the checkpoint holds nothing of the objective"):
        task.load_task_state(None)
    task.load_task_state(None, strict=False)
    without = ObjectiveTask(network(), Standard(), mean=None, std=None, verbose=False)
    assert "task_state" not in without.get_checkpoint_state()
    without.load_task_state(None)


def test_evaluation_is_timms_own(tmp_path: Path) -> None:
    write_images(tmp_path)
    loader = create_loader(
        dataset(tmp_path),
        input_size=(1, SIDE, SIDE),
        batch_size=SAMPLES,
        mean=MEAN,
        std=STD,
        crop_pct=1.0,
        num_workers=0,
        persistent_workers=False,
        device=torch.device("cpu"),
    )
    task = two_epochs(tmp_path)
    model = task.get_eval_model().eval()
    ((images, target),) = loader
    pixels, labels = order(tmp_path)
    expected = task.pixels.around(model)(pixels.float() / 255)
    torch.testing.assert_close(model(images), expected)
    assert torch.equal(target, labels)


def test_what_has_no_index_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path)
    task = new_task()
    images = torch.zeros(2, 1, SIDE, SIDE)
    with pytest.raises(InputError, match=r"target is torch.int64"):
        task(images, torch.zeros(2, dtype=torch.int64))
    mixed = FastCollateMixup(num_classes=SAMPLES)
    images, target = next(iter(train_loader(tmp_path, collate_fn=mixed)))
    with pytest.raises(InputError, match=r"target is torch.float32"):
        task(images, target)
    with pytest.raises(InputError, match=r"images lie in \[-.*\]"):
        task(images[:2] - 1, torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(InputError, match="expected one number a channel in both"):
        ObjectiveTask(network(), Standard(), mean=MEAN, std=None, verbose=False)
    with pytest.raises(InputError, match=r"expected \(image, label\)"):
        IndexedTargets([(images[0],)])[0]


def saved_after_one(task: ObjectiveTask, loader: Any, folder: Path, rank: int) -> Any:
    """Train an epoch and let the first process save it, as timm's training script does."""
    optimizer, scheduler = schedule(task.trainable_module, EPOCHS * len(loader))
    train(task, loader, range(1), optimizer, scheduler, rank)
    if rank == 0:
        folder.mkdir()
        model = task.get_trainable_module()
        CheckpointSaver(model, optimizer, checkpoint_dir=str(folder), task=task).save_checkpoint(0)
    distributed.barrier()
    return optimizer, scheduler


def go_on(task: ObjectiveTask, loader: Any, folder: Path, rank: int, scheduler: Any) -> None:
    """Train what is left after `saved_after_one`; ``scheduler`` is the one that was stopped."""
    path = folder / "last.pth.tar"
    optimizer, later = schedule(task.trainable_module, EPOCHS * len(loader))
    assert resume_task_checkpoint(task, path, optimizer, log_info=False) == 1
    later.load_state_dict(scheduler)
    train(task, loader, range(1, EPOCHS), optimizer, later, rank)


def checkpoint_of(task: ObjectiveTask) -> dict[str, Tensor]:
    """Copies of the state of network and objective, as timm saves it."""
    state = task.get_checkpoint_state()
    found = {f"network.{name}": value for name, value in state["state_dict"].items()}
    return {name: value.clone() for name, value in (found | state["task_state"]).items()}


def process(rank: int, folder: Path) -> None:
    for compiled, model in ((False, network), (True, small_network)):

        def distributed_task(compiled: bool = compiled, model: Any = model) -> ObjectiveTask:
            task = new_task(model())
            if compiled:
                assert task.compile(backend="aot_eager") is task.get_eval_model()
            task.prepare_distributed()
            return task

        task = distributed_task()
        loader = train_loader(folder / "data", distributed=True)
        optimizer, scheduler = saved_after_one(task, loader, folder / f"{compiled}", rank)
        stopped = scheduler.state_dict()
        train(task, loader, range(1, EPOCHS), optimizer, scheduler, rank)
        assert isinstance(task.objective, Recording)
        visits = task.objective.visits
        expected = replay(model(), visits, SAMPLES, rank)
        index = torch.cat([visit.index for visit in visits])
        resumed = distributed_task()
        go_on(resumed, loader, folder / f"{compiled}", rank, stopped)
        assert isinstance(resumed.objective, Recording)
        assert EPOCHS * len(resumed.objective.visits) == len(visits)
        content = (checkpoint_of(task), expected, index, checkpoint_of(resumed))
        torch.save(content, folder / f"{compiled}-{rank}.pt")


def test_two_processes(tmp_path: Path) -> None:
    write_images(tmp_path / "data")
    in_two_processes(process, tmp_path)
    for compiled in (False, True):
        one, two = (torch.load(tmp_path / f"{compiled}-{rank}.pt") for rank in (0, 1))
        for name, value in one[0].items():
            if "running" not in name:  # each process keeps its own batch statistics
                assert torch.equal(value, two[0][name]), name
        for found, expected, _, resumed in (one, two):
            if compiled:
                torch.testing.assert_close(found, expected)
                assert torch.equal(found["proportion"], expected["proportion"])
            else:
                assert_equal(found, expected)
            assert_equal(resumed, found)
        half = len(one[2]) // EPOCHS  # an epoch deals the samples out
        assert not set(one[2][:half].tolist()) & set(two[2][:half].tolist())
