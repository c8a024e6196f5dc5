"""Small data sets in layouts that take more than a line to write."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torchvision
from PIL import Image


def encoded(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 5), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def png16() -> bytes:
    """A 16-bit RGB file, which Pillow reads but can't write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(24) for _ in range(4))))
        + chunk(b"IEND", b"")
    )


def tiff16(*, planes: bool) -> bytes:
    """A 16-bit RGB file; ``planes`` stores the three colours one after the other."""
    strips, side = (3, 32) if planes else (1, 96)
    tags = {256: 4, 257: 4, 259: 1, 262: 2, 277: 3, 278: 4, 284: 2 if planes else 1}
    start = 8 + 2 + 12 * (len(tags) + 3) + 4  # of the values that do not fit into an entry
    entries = [(tag, 4, 1, value) for tag, value in tags.items()]
    entries.append((258, 3, 3, start))
    data = start + 6 + 8 * strips
    offsets, counts = [data + side * n for n in range(strips)], [side] * strips
    entries.append((273, 4, strips, start + 6 if planes else offsets[0]))
    entries.append((279, 4, strips, start + 6 + 4 * strips if planes else side))
    return (
        struct.pack("<2sHIH", b"II", 42, 8, len(entries))
        + b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
        + struct.pack("<I3H", 0, 16, 16, 16)
        + struct.pack(f"<{2 * strips}I", *offsets, *counts)
        + bytes(96)
    )


def bmp16() -> bytes:
    """A file of 4x4 pixels with 5, 6 and 5 bits for red, green and blue."""
    header = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 16, 3, 32, 0, 0, 0, 0)
    return (
        struct.pack("<2sIHHI", b"BM", 98, 0, 0, 66)
        + header
        + struct.pack("<3I", 0xF800, 0x7E0, 0x1F)
        + bytes(32)
    )


def write(path: Path, members: list[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def sample(number: int, label: bytes | None = None) -> list[tuple[str, bytes]]:
    """Sample ``number`` is grey of that value, and odd ones are of class 1."""
    name = f"sets/{number:04d}"
    described = label if label is not None else str(number % 2).encode()
    return [(f"{name}.png", encoded(number)), (f"{name}.cls", described)]


def shards(folder: Path, sizes: list[int]) -> str:
    start = 0
    for number, size in enumerate(sizes):
        members = [member for n in range(start, start + size) for member in sample(n)]
        write(folder / f"shard-{number:03d}.tar", members)
        start += size
    return f"webdataset:{folder}/shard-{{000..{len(sizes) - 1:03d}}}.tar"


def table(values: range, features: dict[str, Any] | None = None) -> Any:
    """Return a Hugging Face data set whose row of value v is grey of it, and of class v mod 2."""
    import datasets

    columns = {
        "image": [{"bytes": encoded(v), "path": None} for v in values],
        "label": [v % 2 for v in values],
    }
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["even", "odd"])}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(kinds | (features or {})))


def cifar10(folder: Path, per_batch: int = 20) -> Path:
    """Write CIFAR-10's files as published (protocol 2, Python 2's byte strings)."""
    root = folder / "cifar-10-batches-py"
    root.mkdir(parents=True)
    names = [b"airplane", b"automobile"]
    dump(root / "batches.meta", {b"label_names": names, b"num_cases_per_batch": per_batch})
    for number, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        dump(root / name, cifar_batch(per_batch, b"labels", number))
    return root


def cifar100(folder: Path) -> Path:
    """Write CIFAR-100's three files."""
    root = folder / "cifar-100-python"
    root.mkdir()
    names = {b"fine_label_names": [b"apple", b"bee"], b"coarse_label_names": [b"x"]}
    dump(root / "meta", names)
    for seed, name in enumerate(("train", "test")):
        batch = cifar_batch(60, b"fine_labels", seed)
        dump(root / name, batch | {b"coarse_labels": [0] * 60})
    return root


def published(monkeypatch: pytest.MonkeyPatch, root: Path) -> Path:
    """Make the checksums of CIFAR's files in a folder the published ones, as torchvision has them.

    The archive beside the folder, if there is one, is included.
    """
    kind = torchvision.datasets.CIFAR100 if "100" in root.name else torchvision.datasets.CIFAR10

    def md5(name: str) -> str:
        return hashlib.md5((root / name).read_bytes()).hexdigest()

    for attribute in ("train_list", "test_list"):
        files = [[name, md5(name)] for name, _ in getattr(kind, attribute)]
        monkeypatch.setattr(kind, attribute, files)
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(kind.meta["filename"])})
    if (root.parent / kind.filename).is_file():
        monkeypatch.setattr(kind, "tgz_md5", md5(f"../{kind.filename}"))
    return root


def cifar_batch(count: int, key: bytes, seed: int) -> dict[bytes, Any]:
    data = np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)
    labels = [row % 2 for row in range(count)]
    return {b"batch_label": b"a batch", key: labels, b"data": data, b"filenames": [b"x.png"]}


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did, which made the published files: bytes of no encoding."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)

    def save_string(self, value: bytes | str) -> None:
        content = value.encode("ascii") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)

    dispatch[bytes] = dispatch[str] = save_string


def dump(path: Path, content: Any) -> None:
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(content)


def mnist(
    folder: Path, sizes: tuple[int, int] = (60, 20), prefix: str = "", gz: bool = True
) -> Path:
    """Write the four IDX files of the MNIST family."""
    folder.mkdir(parents=True, exist_ok=True)
    tests = "test" if prefix else "t10k"
    for part, count in zip(("train", tests), sizes, strict=True):
        rng = np.random.default_rng(count)
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 3 + (1 if prefix else 0)).astype(np.uint8)
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            content = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            content += values.tobytes()
            path = folder / f"{prefix}{part}-{name}-ubyte{'.gz' if gz else ''}"
            path.write_bytes(gzip.compress(content) if gz else content)
    return folder


def medmnist(
    path: Path,
    colour: bool = True,
    counts: tuple[int, int, int] = (30, 6, 9),
    **changes: Any,
) -> Path:
    """Write a MedMNIST file; ``changes`` replace its arrays."""
    arrays: dict[str, Any] = {}
    for part, count in zip(("train", "val", "test"), counts, strict=True):
        shape = (count, 28, 28, 3) if colour else (count, 28, 28)
        arrays[f"{part}_images"] = np.random.default_rng(count).integers(0, 256, shape, np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 3).astype(np.uint8)[:, None]
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return path


def pcam(folder: Path, counts: tuple[int, int, int] = (20, 6, 8)) -> Path:
    """Write PatchCamelyon's six files."""
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    for part, count in zip(("train", "valid", "test"), counts, strict=True):
        images = np.random.default_rng(count).integers(0, 256, (count, 96, 96, 3), np.uint8)
        labels = (np.arange(count) % 2).astype(np.uint8).reshape(-1, 1, 1, 1)
        for what, values in (("x", images), ("y", labels)):
            name = f"camelyonpatch_level_2_split_{part}_{what}.h5"
            with h5py.File(folder / name, "w") as file:
                file.create_dataset(what, data=values)
    return folder


WNIDS = ("n01440764", "n01443537", "n02012849")


def imagenet(root: Path, per_class: int = 12, validation: int = 9) -> Path:
    """Write ImageNet's folders; validation image i (from 1 on) is of class i mod 3."""
    for number, wnid in enumerate(WNIDS):
        for k in range(per_class):
            path = root / "train" / wnid / f"{wnid}_{k}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20 + k, 17), (40 * number, k, 0)).save(path, "JPEG")
    for k in range(1, validation + 1):
        path = root / "val" / WNIDS[k % 3] / f"ILSVRC2012_val_{k:08d}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (18, 30), (80 * (k % 3), 0, 0)).save(path, "JPEG")
    return root
