from __future__ import annotations

import json
import tarfile
import tracemalloc
from pathlib import Path

import pytest
import torch
from tests.data.samples import encoded, sample, shards, write

from scaat.data import DataOptions, DataSplits, load_data
from scaat.data.loading import find_source
from scaat.data.webdataset import expand_braces
from scaat.errors import InputError


def load(spec: str, **options: object) -> DataSplits:
    return load_data(DataOptions(data=spec, **options), seed=0)  # type: ignore[arg-type]


def greys(splits: DataSplits) -> list[int]:
    parts = (splits.train, splits.validation, splits.test)
    return [int(v) for part in parts for v in part.pixels()[:, 0, 0, 0]]


@pytest.mark.parametrize("way", ["memory", "lazy"])
def test_every_sample_once_whatever_the_shards(way: str, tmp_path: Path) -> None:
    one = load(shards(tmp_path / "one", [40, 13, 7]), loading=way)
    two = load(shards(tmp_path / "two", [10] * 6), loading=way)
    assert sorted(greys(one)) == list(range(60))
    assert greys(one) == greys(two)  # a position follows from the key, not from the shard
    for part in (one.train, one.test):
        assert part.labels.tolist() == [v % 2 for v in part.pixels()[:, 0, 0, 0].tolist()]


def test_positions_are_in_the_order_of_the_keys(tmp_path: Path) -> None:
    keys = ["b", "a/10", "a/1", "a", "B", "ab", "\u00e9", "z", "\uffee", "\U0001f600", "\udce9"]
    for number in range(2):
        members = []
        for value, key in list(enumerate(keys))[number::2]:
            members += [(f"{key}.png", encoded(value)), (f"{key}.cls", b"0")]
        write(tmp_path / f"{number}.tar", members)
    source = find_source(DataOptions(f"webdataset:{tmp_path}/*.tar"))
    part = source.train.load(torch.arange(len(keys)))
    assert [keys[int(v)] for v in part.pixels()[:, 0, 0, 0]] == sorted(keys)


@pytest.mark.parametrize(("sizes", "most"), [([2000], 600), ([100] * 20, 250)])
def test_the_index_is_small(sizes: list[int], most: int, tmp_path: Path) -> None:
    """Bytes a sample at the peak: Python's objects of one shard, and arrays of all."""
    options = DataOptions(shards(tmp_path, sizes))
    find_source(DataOptions(shards(tmp_path / "warm", [2])))
    tracemalloc.start()
    find_source(options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < most * sum(sizes)


def test_a_folder_of_parts(tmp_path: Path) -> None:
    for part, numbers in (("train", range(20)), ("val", range(20, 24)), ("test", range(24, 30))):
        members = [member for n in numbers for member in sample(n)]
        write(tmp_path / f"{part}-000.tar", members)
    splits = load(f"webdataset:{tmp_path}")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [20, 4, 6]
    assert greys(splits) == list(range(30))


def test_json_labels_and_other_members(tmp_path: Path) -> None:
    members = []
    for number in range(30):
        described = json.dumps({"label": number % 3, "other": "x"}).encode()
        members += [(f"{number:02d}.json", described), (f"{number:02d}.jpg.txt", b"left out")]
        members += [(f"{number:02d}.png", encoded(number))]
    write(tmp_path / "a.tar", members)
    splits = load(f"webdataset:{tmp_path}/*.tar")
    assert splits.train.classes == ("0", "1", "2")
    assert torch.equal(splits.train.labels, splits.train.pixels()[:, 0, 0, 0].long() % 3)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.tar", ["a.tar"]),
        ("a-{008..010}.tar", ["a-008.tar", "a-009.tar", "a-010.tar"]),
        ("{x,y}/{0..1}.tar", ["x/0.tar", "x/1.tar", "y/0.tar", "y/1.tar"]),
    ],
)
def test_braces(pattern: str, names: list[str]) -> None:
    assert expand_braces(pattern) == names


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "hold no samples"),
        ([("a.cls", b"0")], "sample 'a' in .* has no image"),
        ([("a.png", encoded(0))], "sample 'a' in .* has no label"),
        (sample(0, b"cat"), "label of sample 'sets/0000' .* cannot be read"),
        (sample(0, b"-1"), "has label -1; expected an integer"),
        (sample(0, b"9" * 18), "expected an integer"),
        (sample(0) + sample(0), "'sets/0000' occurs twice"),
        ([("a.png", encoded(0)), ("a.json", b"{}")], "label of sample 'a'"),
        ([("a.png", encoded(0)), ("a.json", b'{"label": true}')], "has label True"),
    ],
)
def test_faulty_samples_are_named(
    members: list[tuple[str, bytes]], message: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.tar", members)
    with pytest.raises(InputError, match=message):
        load(f"webdataset:{tmp_path}/a.tar")


def test_a_key_in_two_shards_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.tar", sample(0))
    write(tmp_path / "b.tar", sample(0))
    with pytest.raises(InputError, match=r"occurs twice, in .*b\.tar"):
        load(f"webdataset:{tmp_path}/*.tar")


@pytest.mark.parametrize("left", [1, 100, 512, 700, 5000])
def test_a_truncated_shard_is_named(left: int, tmp_path: Path) -> None:
    spec = shards(tmp_path, [10, 10])
    path = tmp_path / "shard-001.tar"
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-2]  # behind the last one is only padding
    path.write_bytes(path.read_bytes()[: last.offset_data + last.size - left])
    with pytest.raises(InputError, match=r"shard-001\.tar"):
        load(spec)


@pytest.mark.parametrize("spec", ["none.tar", "none-{0..2}.tar", "*.tar", ""])
def test_no_shards(spec: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file matches|holds no train"):
        load(f"webdataset:{tmp_path}/{spec}")
