"""Data sets in their official layouts: tiny files in the exact formats."""

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
    WNIDS,
    cifar10,
    cifar100,
    imagenet,
    medmnist,
    mnist,
    pcam,
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


@pytest.mark.parametrize("form", ["folder", "above", "archive"])
def test_cifar10_as_torchvision_reads_it(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = cifar10(tmp_path)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    monkeypatch.setattr(
        torchvision.datasets.CIFAR10,
        "_load_meta",
        lambda self: setattr(self, "classes", ["airplane", "automobile"]),
    )
    path = {"folder": root, "above": tmp_path, "archive": tmp_path / "cifar-10-python.tar.gz"}[form]
    if form == "archive":
        with tarfile.open(path, "w:gz") as tar:
            tar.add(root, root.name)
    for part, train in (("train", True), ("test", False)):
        expected = torchvision.datasets.CIFAR10(str(tmp_path), train=train)
        found = everything(f"cifar10:{path}", part)
        assert np.array_equal(found.images.permute(0, 2, 3, 1).numpy(), expected.data)
        assert found.labels.tolist() == expected.targets
        assert found.classes == ("airplane", "automobile")


def test_cifar100_takes_the_fine_labels(tmp_path: Path) -> None:
    cifar100(tmp_path)
    found = everything(f"cifar100:{tmp_path}")
    assert found.classes == ("apple", "bee")
    assert found.labels.tolist() == [0, 1] * 30


class Payload:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("executed").touch, ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Payload(), r"data_batch_3 is damaged .* it refers to code"),
        ({b"data": 1}, "has no 'data' and 'labels'"),
        ({b"data": np.zeros((2, 5), np.uint8), b"labels": [0, 0]}, "'data' of another kind"),
        ({b"data": np.zeros((2, 3072)), b"labels": [0, 0]}, "'data' of another kind"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 2]}, "one of them 2"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, "2 images and 1 labels"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": ["0"]}, "labels of another kind"),
        ([1, 2], "has no 'data'"),
    ],
)
def test_a_batch_of_something_else(
    content: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = cifar10(tmp_path)
    (root / "data_batch_3").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(InputError, match=message):
        source(f"cifar10:{root}")
    assert not (tmp_path / "executed").exists()


def test_missing_and_cut_batches(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz"):
        source(f"cifar10:{tmp_path}")
    root = cifar10(tmp_path)
    path = root / "test_batch"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="test_batch is damaged"):
        source(f"cifar10:{root}")
    path.unlink()
    with pytest.raises(InputError, match="test_batch cannot be read"):
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
        (lambda content: content[:-1], "values but speaks of"),
        (lambda content: content + b"x", "values but speaks of"),
        (lambda content: b"\0\0\x09" + content[3:], "begins with 00000903"),
        (lambda content: content[:3], "begins with 000008"),
        (lambda content: b"", "begins with "),
        (lambda content: content[:4] + b"\xff" * 12 + content[16:], "values but speaks of"),
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
    with pytest.raises(InputError, match=r"t10k-labels.* cannot be read"):
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
        ({"train_labels": np.zeros((29, 1), np.uint8)}, "30 train_images and 29 labels"),
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
    with pytest.raises(InputError, match=r"does not exist"):
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
    with pytest.raises(InputError, match="has no array 'x'; found y"):
        source(f"pcam:{tmp_path}")


# ImageNet


@pytest.mark.parametrize("layout", ["devkit", "kaggle", "folders"])
@pytest.mark.parametrize("way", ["memory", "lazy"])
def test_imagenet_layouts(layout: str, way: Any, tmp_path: Path) -> None:
    root = imagenet(tmp_path, layout)
    options = DataOptions(data=f"imagenet:{root}", image_size=8, loading=way)
    splits = load_data(options, seed=0)
    names = WNIDS if layout == "folders" else ("tench", "goldfish", "crane")
    assert splits.train.classes == names
    assert splits.settings["test_from"] == "data"
    assert splits.settings["validation_from"] == "train"
    red = splits.test.pixels()[:, 0].float().mean((1, 2))
    torch.testing.assert_close(red, 80.0 * splits.test.labels, atol=3.0, rtol=0)
    red = splits.train.pixels()[:, 0].float().mean((1, 2))
    torch.testing.assert_close(red, 40.0 * splits.train.labels, atol=3.0, rtol=0)


def test_kaggle_archive_has_its_lists_two_above(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "Data" / "CLS-LOC", "kaggle")
    for name in ("LOC_val_solution.csv", "LOC_synset_mapping.txt"):
        (root / name).rename(tmp_path / name)
    assert source(f"imagenet:{tmp_path}", image_size=8).classes == ("tench", "goldfish", "crane")


def test_imagenet_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="image_size is not given"):
        source(f"imagenet:{tmp_path}")
    with pytest.raises(InputError, match="download ImageNet-1k"):
        source(f"imagenet:{tmp_path}", image_size=8)
    root = imagenet(tmp_path / "a", "devkit")
    truth = root / "ILSVRC2012_devkit_t12" / "data" / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("1\n2\n")
    with pytest.raises(InputError, match=r"ground_truth\.txt is damaged or lacks an image"):
        source(f"imagenet:{root}", image_size=8)
    (truth.parent / "meta.mat").write_bytes(b"no mat file")
    with pytest.raises(InputError, match=r"meta\.mat is damaged"):
        source(f"imagenet:{root}", image_size=8)
    root = imagenet(tmp_path / "b", "none")
    with pytest.raises(InputError, match=r"classes of .*val are not known"):
        source(f"imagenet:{root}", image_size=8)
    root = imagenet(tmp_path / "c", "kaggle")
    path = root / "LOC_val_solution.csv"
    path.write_text(path.read_text().replace(WNIDS[0], "n99999999"))
    with pytest.raises(InputError, match="'n99999999', which train lacks"):
        source(f"imagenet:{root}", image_size=8)
