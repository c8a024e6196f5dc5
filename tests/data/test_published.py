"""Data sets in the formats in which they were published, in tiny files."""

from __future__ import annotations

import gzip
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from tests.data.samples import (
    cifar10,
    cifar100,
    cifar_batch,
    medmnist,
    mnist,
    pcam,
    published,
)

from scaat.data import DataOptions, DataSplits, load_data
from scaat.data.loading import find_source
from scaat.data.registry import Source
from scaat.errors import InputError


def source(spec: str, **options: Any) -> Source:
    return find_source(DataOptions(data=spec, **options))


def everything(spec: str, part: str = "train", **options: Any):  # type: ignore[no-untyped-def]
    found = source(spec, **options).parts[part]
    return found.load(torch.arange(len(found.labels)))


# CIFAR


@pytest.mark.parametrize("form", ["folder", "above", "archive", "renamed"])
def test_cifar10_in_every_form(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = cifar10(tmp_path)
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root, root.name)
    published(monkeypatch, root)
    path = {"folder": root, "above": tmp_path, "archive": archive}.get(form)
    if path is None:
        path = root.rename(tmp_path / "mine")
    elif form == "archive":
        root.rename(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    train, test = everything(f"cifar10:{path}"), everything(f"cifar10:{path}", "test")
    assert sorted(tmp_path.rglob("*")) == before  # an archive is not unpacked beside itself
    batches = [cifar_batch(20, b"labels", number)[b"data"] for number in range(6)]
    assert np.array_equal(train.images.flatten(1).numpy(), np.concatenate(batches[:5]))
    assert np.array_equal(test.images.flatten(1).numpy(), batches[5])
    assert train.labels.tolist() == [0, 1] * 50
    assert train.classes == ("airplane", "automobile")


def test_cifar100_takes_the_fine_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(monkeypatch, cifar100(tmp_path))
    images = everything(f"cifar100:{tmp_path}")
    assert images.classes == ("apple", "bee")
    assert images.labels.tolist() == [0, 1] * 30


class Payload:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("executed").touch, ())


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_pickle_that_is_not_the_published_one_is_not_opened(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = published(monkeypatch, cifar10(tmp_path))
    (root / name).write_bytes(pickle.dumps(Payload(), protocol=2))
    with pytest.raises(InputError, match=rf"{name} has MD5 .*, published is .*; download it"):
        source(f"cifar10:{root}")
    assert not (tmp_path / "executed").exists()


def test_missing_files_and_another_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz; download .* https://"):
        source(f"cifar10:{tmp_path}")
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"is not cifar-10-python\.tar\.gz as published"):
        source(f"cifar10:{tmp_path}")
    root = published(monkeypatch, cifar10(tmp_path))
    (root / "test_batch").unlink()
    with pytest.raises(InputError, match="not the set as published: a file is missing"):
        source(f"cifar10:{root}")


# MNIST


@pytest.mark.parametrize("gz", [True, False])
def test_mnist_as_torchvision_reads_it(gz: bool, tmp_path: Path) -> None:
    mnist(tmp_path, gz=gz)
    raw = mnist(tmp_path / "MNIST" / "raw", gz=False)
    assert raw.is_dir()
    for part, train in (("train", True), ("test", False)):
        expected = torchvision.datasets.MNIST(str(tmp_path), train=train)
        found = everything(f"mnist:{tmp_path}", part)
        assert torch.equal(found.images.squeeze(1), expected.data)
        assert torch.equal(found.labels, expected.targets)
    assert found.channels == 1


def test_emnist_is_turned_and_begins_at_zero(tmp_path: Path) -> None:
    mnist(tmp_path, prefix="emnist-letters-")
    found = everything(f"mnist:{tmp_path}/emnist-letters")
    upright = np.random.default_rng(60).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    assert np.array_equal(found.images.squeeze(1).numpy(), upright.transpose(0, 2, 1))
    assert found.classes == ("1", "2", "3")
    assert found.labels.min() == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda content: content[:-1],
            "is damaged, or no IDX file of bytes in 3",
        ),
        (
            lambda content: content + b"x",
            "is damaged, or no IDX file of bytes in 3",
        ),
        (lambda content: b"\0\0\x09" + content[3:], "begins with 00000903, expected 00000803"),
        (lambda content: content[:3], "begins with 000008"),
        (lambda content: b"", "begins with "),
        (
            lambda content: content[:4] + b"\xff" * 12 + content[16:],
            "is damaged, or no IDX file of bytes in 3",
        ),
    ],
)
def test_a_damaged_idx_file(damage: Callable[[bytes], bytes], message: str, tmp_path: Path) -> None:
    path = mnist(tmp_path) / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(damage(gzip.decompress(path.read_bytes()))))
    with pytest.raises(InputError, match=message):
        source(f"mnist:{tmp_path}")


def test_mnist_files_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no train-images-idx3-ubyte"):
        source(f"mnist:{tmp_path}")
    folder = mnist(tmp_path / "cut")
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match=r"t10k-labels.* is damaged"):
        source(f"mnist:{folder}")
    short = mnist(tmp_path / "short")
    other = mnist(tmp_path / "other", sizes=(59, 20))
    name = "train-labels-idx1-ubyte.gz"
    (other / name).rename(short / name)
    with pytest.raises(InputError, match="59 labels for 60 images"):
        source(f"mnist:{short}")


# MedMNIST


@pytest.mark.parametrize("colour", [True, False])
def test_medmnist_parts(colour: bool, tmp_path: Path) -> None:
    path = medmnist(tmp_path / "set.npz", colour)
    splits = load_data(DataOptions(data=f"medmnist:{path}"), seed=0)
    with np.load(path) as file:
        for part, name in (("train", "train"), ("validation", "val"), ("test", "test")):
            found = getattr(splits, part)
            expected = file[f"{name}_images"]
            shown = found.images.permute(0, 2, 3, 1).numpy()
            assert np.array_equal(shown if colour else shown[..., 0], expected)
            assert found.labels.tolist() == file[f"{name}_labels"][:, 0].tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val_images": None}, "has no val_images"),
        ({"train_images": np.zeros((30, 28, 28, 28), np.uint8)}, "a 2-D set"),
        ({"train_images": np.zeros((30, 28, 28))}, "expected uint8"),
        ({"train_labels": np.zeros((30, 14), np.uint8)}, "several labels"),
        ({"train_labels": np.zeros((29, 1), np.uint8)}, "has 29 labels for 30 images"),
        ({"test_labels": np.full((9, 1), -1)}, "holds -1"),
        ({"test_labels": np.full((9, 1), 10**9)}, "has label 1000000000"),
        ({"test_labels": np.array([[object()]] * 9, dtype=object)}, "is damaged or no .npz"),
    ],
)
def test_medmnist_arrays_that_do_not_fit(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = medmnist(tmp_path / "set.npz", **changes) if "object" not in str(changes) else None
    if path is None:
        path = tmp_path / "set.npz"
        np.savez(path, test_labels=np.array(["x", None], dtype=object))
    with pytest.raises(InputError, match=message):
        source(f"medmnist:{path}")


def test_medmnist_missing_or_cut(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not exist; download .* https://medmnist\.com"):
        source(f"medmnist:{tmp_path / 'set.npz'}")
    path = medmnist(tmp_path / "set.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="is damaged"):
        source(f"medmnist:{path}")


# PatchCamelyon


@pytest.mark.parametrize("way", ["memory", "lazy"])
def test_pcam_parts(way: Any, tmp_path: Path) -> None:
    pcam(tmp_path)
    splits: DataSplits = load_data(DataOptions(data=f"pcam:{tmp_path}", loading=way), seed=0)
    for part, count in ((splits.train, 20), (splits.validation, 6), (splits.test, 8)):
        expected = np.random.default_rng(count).integers(0, 256, (count, 96, 96, 3), np.uint8)
        assert np.array_equal(part.pixels().permute(0, 2, 3, 1).numpy(), expected)
        assert part.labels.tolist() == [row % 2 for row in range(count)]
        again = part.pixels([3, 0, 3])
        assert np.array_equal(again.permute(0, 2, 3, 1).numpy(), expected[[3, 0, 3]])
    assert splits.train.classes == ("normal", "tumour")
    assert splits.augmentation.vertical_flip


def test_pcam_files_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="download the six files"):
        source(f"pcam:{tmp_path}")
    path = pcam(tmp_path) / "camelyonpatch_level_2_split_valid_x.h5"
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    with pytest.raises(InputError, match=r"valid_x\.h5 is damaged or no HDF5 file"):
        source(f"pcam:{tmp_path}")
    path.rename(path.with_name(f"{path.name}.gz"))
    with pytest.raises(InputError, match=r"is packed.*gunzip"):
        source(f"pcam:{tmp_path}")
    path.write_bytes((tmp_path / "camelyonpatch_level_2_split_valid_y.h5").read_bytes())
    with pytest.raises(InputError, match="has no array 'x'; it holds y"):
        source(f"pcam:{tmp_path}")
