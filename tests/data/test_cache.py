from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import scaat.data.cache as cache
from scaat.data import DataOptions, DataSplits, load_data
from scaat.data.cache import convert
from scaat.errors import InputError, WriteError


def silent(part: str, done: int, total: int) -> None: ...


def load(data: str, **options: object) -> DataSplits:
    return load_data(DataOptions(data=data, **options), seed=3)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that no test may change: drawing the lesions takes seconds."""
    out = tmp_path_factory.mktemp("converted") / "cache"
    convert(DataOptions(data="lesions"), out, silent)
    return out


@pytest.fixture
def lesions(converted: Path, tmp_path: Path) -> Path:
    return shutil.copytree(converted, tmp_path / "cache")


@pytest.fixture(scope="module")
def drawn() -> DataSplits:
    return load("lesions")


@pytest.mark.parametrize("way", ["auto", "memory", "lazy"])
def test_a_cache_is_what_was_converted(way: str, converted: Path, drawn: DataSplits) -> None:
    """With masks and three parts of its own; lesions have both."""
    original, cached = drawn, load(f"cache:{converted}", loading=way)
    for part in ("train", "validation", "test"):
        one, two = getattr(original, part), getattr(cached, part)
        assert isinstance(two.images, torch.Tensor) == (way != "lazy")
        assert torch.equal(one.images, two.pixels())
        assert torch.equal(one.labels, two.labels)
        assert torch.equal(one.masks, two.masks)
    assert cached.train.classes == original.train.classes
    assert cached.augmentation == original.augmentation
    assert cached.settings["source"]["converted_from"]["data"] == "lesions"


def test_splits_of_a_cache_are_drawn_as_without(tmp_path: Path) -> None:
    convert(DataOptions(data="digits"), tmp_path / "cache", silent)
    for seed in (0, 1):
        plain = load_data(DataOptions(data="digits"), seed=seed)
        cached = load_data(DataOptions(data=f"cache:{tmp_path / 'cache'}"), seed=seed)
        assert torch.equal(plain.train.images, cached.train.pixels())
        assert torch.equal(plain.test.labels, cached.test.labels)


def test_chunks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    monkeypatch.setattr(cache, "CHUNK", 1000)
    sizes = convert(DataOptions(data="digits"), tmp_path / "cache", lambda *now: seen.append(now))
    assert sizes == {"train": 1797}
    assert seen == [("train", 1000, 1797), ("train", 1797, 1797)]
    cached = load(f"cache:{tmp_path / 'cache'}")
    assert torch.equal(cached.train.pixels(), load("digits").train.images)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("cache.json", lambda content: content[:40], "cannot be read"),
        ("cache.json", lambda content: b"[]", "is no description of a scaat image cache"),
        (
            "cache.json",
            lambda content: content.replace(b'"version": 1', b'"version": 9'),
            "version 9",
        ),
        ("cache.json", lambda content: content.replace(b'"classes"', b'"klasses"'), "is damaged"),
        ("train/images.npy", lambda content: content[:-1], "cannot be mapped"),
        ("train/labels.npy", lambda content: content[:-1] + b"\7", "SHA-256 differs"),
        ("train/masks.npy", lambda content: content[:200], "SHA-256 differs"),
    ],
)
def test_a_damaged_cache_is_refused(file: str, damage: object, message: str, lesions: Path) -> None:
    path = lesions / file
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        load(f"cache:{lesions}")


def test_another_size_is_made_in_memory(converted: Path, drawn: DataSplits) -> None:
    side = drawn.train.image_size[0]
    same = load(f"cache:{converted}", image_size=side, loading="lazy").train
    assert same.image_size == (side, side)
    small = load(f"cache:{converted}", image_size=side // 2).train
    expected = load("lesions", image_size=side // 2).train
    assert torch.equal(small.pixels(), expected.pixels())
    with pytest.raises(InputError, match="cannot be read image by image"):
        load(f"cache:{converted}", image_size=side // 2, loading="lazy")


def test_no_cache_and_an_existing_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds no cache\.json"):
        load(f"cache:{tmp_path / 'full'}")
    with pytest.raises(InputError, match="exists already"):
        convert(DataOptions(data="digits"), tmp_path / "full", silent)
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_a_stopped_conversion_leaves_nothing(tmp_path: Path) -> None:
    def stop(part: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(DataOptions(data="digits"), tmp_path / "cache", stop)
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, signal, sys
from pathlib import Path
from scaat.data import DataOptions
from scaat.data.cache import convert
from scaat.errors import WriteError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    convert(DataOptions(data="digits"), Path(sys.argv[1]), lambda *now: None)
except WriteError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on files")
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cannot be written (File too large)" in done.stdout, done
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(WriteError, match=r"needs 0\.0 GiB for 1797 images of 32x32"):
        convert(DataOptions(data="digits"), tmp_path / "cache", silent)
    assert list(tmp_path.iterdir()) == []


def test_the_format_is_plain_numpy(converted: Path) -> None:
    """Anyone can read it without this package."""
    described = json.loads((converted / "cache.json").read_text())
    images = np.load(converted / "train" / "images.npy", mmap_mode="r")
    labels = np.load(converted / "train" / "labels.npy")
    assert list(images.shape) == described["parts"]["train"]["shape"]
    assert images.dtype == np.uint8
    assert len(labels) == len(images)
