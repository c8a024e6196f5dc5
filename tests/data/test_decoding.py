"""Images that are decoded when needed are the same images; too many are refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import scaat.data.loading as loading
from scaat.data import DataOptions, DataSplits, ImageSet, identity, load_data
from scaat.data.decoding import require_memory
from scaat.errors import InputError
from scaat.training import TrainingOptions, fit
from scaat.training.batches import worker_count


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """60 photographs in two classes, as JPEG and PNG."""
    rng = np.random.default_rng(0)
    for number in range(60):
        path = (
            tmp_path
            / "images"
            / "ab"[number % 2]
            / f"{number:02d}.{('png', 'jpg')[number % 3 == 0]}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
    return tmp_path / "images"


def load(folder: Path, **options: object) -> DataSplits:
    return load_data(DataOptions(data=f"folder:{folder}", **options), seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [None, 8])
def test_lazy_equals_memory_bit_by_bit(folder: Path, size: int | None) -> None:
    lazy = load(folder, loading="lazy", image_size=size)
    memory = load(folder, loading="memory", image_size=size)
    for part in ("train", "validation", "test"):
        one, two = getattr(lazy, part), getattr(memory, part)
        assert one.is_encoded
        assert not two.is_encoded
        assert torch.equal(one.pixels(), two.images)
        assert torch.equal(one.labels, two.labels)
        for found, expected in zip(one[3], two[3], strict=True):
            assert torch.equal(found, expected)
        chosen = torch.tensor([4, 1, 1])
        assert torch.equal(one.subset(chosen).pixels(), two.images[chosen])
    assert lazy.settings["sizes"] == memory.settings["sizes"]


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_change_nothing(folder: Path, workers: int) -> None:
    train = load(folder, loading="lazy").train
    loader = DataLoader(train, 8, collate_fn=identity, num_workers=workers)
    batches = list(loader)
    assert torch.equal(torch.cat([index for _, _, index in batches]), torch.arange(len(train)))
    assert torch.equal(torch.cat([images for images, _, _ in batches]), train.pixels())


@pytest.mark.slow
def test_training_is_the_same_from_memory_and_by_workers(folder: Path, tmp_path: Path) -> None:
    options = TrainingOptions(
        model="nets:tiny", epochs=2, batch_size=8, precision="32", accelerator="cpu", workers=2
    )
    weights = [
        fit(
            load(folder, loading=way),
            "scaat",
            {"weight": 5.0, "steps": 1, "search_interval": 1},
            options,
            seed=0,
            folder=tmp_path / way,
        )
        .model.state_dict()
        .values()
        for way in ("lazy", "memory")
    ]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_only_encoded_images_get_workers(folder: Path) -> None:
    lazy = load(folder, loading="lazy").train
    assert worker_count(lazy, None) >= 1
    assert worker_count(lazy, 0) == 0
    assert worker_count(load(folder).train, None) == 0


def test_auto_is_lazy_where_memory_is_short(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load(folder).train.is_encoded
    needed = 42 * 3 * 12 * 10
    for available, is_lazy in ((needed, True), (3 * needed, False), (None, False)):
        monkeypatch.setattr(loading, "available_memory", lambda found=available: found)
        assert load(folder).train.is_encoded == is_lazy


def test_what_is_in_memory_cannot_be_lazy() -> None:
    with pytest.raises(InputError, match="loading is 'lazy', but data 'digits'"):
        load_data(DataOptions(data="digits", loading="lazy"), seed=0)


def test_a_broken_image_is_named_when_it_is_read(folder: Path) -> None:
    train = load(folder, loading="lazy").train
    for path in folder.rglob("*.*"):
        if path.name != "00.jpg":  # the first one is looked at when the data is found
            path.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"\.(png|jpg) cannot be read as an image"):
        train.pixels()
    (error,) = _errors(train)
    assert "cannot be read as an image" in error


def _errors(train: ImageSet) -> list[str]:
    try:
        list(DataLoader(train, 8, collate_fn=identity, num_workers=1))
    except InputError as error:
        return [str(error)]
    return []


def test_a_lazy_set_travels_small(folder: Path) -> None:
    train = load(folder, loading="lazy").train
    again = pickle.loads(pickle.dumps(train))
    assert torch.equal(again.pixels(), train.pixels())
    assert len(pickle.dumps(train.images)) < train.pixels().numel() / 2


def test_refuses_only_what_does_not_fit() -> None:
    require_memory(1, 1, 1, 1)
    with pytest.raises(
        InputError, match=r"1048576 images of 1048576x1048576 need 1073741824\.0 GiB of memory"
    ):
        require_memory(2**20, 1, 2**20, 2**20)
