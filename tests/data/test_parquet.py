from __future__ import annotations

import io
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from scaat.data import DataOptions, load_data
from scaat.errors import InputError

Write = Callable[..., Path]


def load(path: Path, **options: object):  # type: ignore[no-untyped-def]
    return load_data(DataOptions(data=f"parquet:{path}", **options), seed=0)  # type: ignore[arg-type]


def parts_of(splits):  # type: ignore[no-untyped-def]
    return (splits.train, splits.validation, splits.test)


def rows(part) -> list[int]:  # type: ignore[no-untyped-def]
    """Row i is a grey image of value i."""
    return part.images[:, 0, 0, 0].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("image", ["image", "img"])
@pytest.mark.parametrize("row_group_size", [None, 7])
def test_one_file(write_parquet: Write, image: str, row_group_size: int | None) -> None:
    labels = [0, 1, 1] * 20
    splits = load(write_parquet(labels=labels, image=image, row_group_size=row_group_size))
    assert splits.train.classes == ("cat", "dog")
    assert sorted(chain(*map(rows, parts_of(splits)))) == list(range(60))
    for part in parts_of(splits):
        assert part.labels.tolist() == [labels[row] for row in rows(part)]


@pytest.mark.parametrize("folder", ["set", "set/data"])
def test_hugging_face_layout(write_parquet: Write, folder: str) -> None:
    for shard in range(2):
        write_parquet(f"{folder}/train-{shard:05d}-of-00002.parquet", labels=[shard, 1 - shard] * 4)
    write_parquet(f"{folder}/validation-00000-of-00001.parquet", labels=[1, 0])
    file = write_parquet(f"{folder}/test-00000-of-00001.parquet", labels=[0, 1, 1])
    root = file.parents[folder.count("/")]
    splits = load(root)
    assert rows(splits.train) == list(range(8)) * 2  # the shards in the order of their names
    assert splits.train.labels.tolist() == [0, 1] * 4 + [1, 0] * 4
    assert splits.validation.labels.tolist() == [1, 0]
    assert splits.test.labels.tolist() == [0, 1, 1]
    assert splits.settings["validation_from"] == splits.settings["test_from"] == "data"


def test_raw_bytes_and_integer_class_names(write_parquet: Write) -> None:
    streams = [io.BytesIO() for _ in range(30)]
    for number, stream in enumerate(streams):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(stream, "PNG")
    images = [stream.getvalue() for stream in streams]
    splits = load(write_parquet(labels=[0, 2] * 15, images=images, names=None))
    assert splits.train.classes == ("0", "1", "2")
    assert sorted(chain(*map(rows, parts_of(splits)))) == list(range(30))


def test_only_what_is_used_is_decoded(
    write_parquet: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    from scaat.data import decoding

    original = decoding.decode_image

    def counting(item, size):  # type: ignore[no-untyped-def]
        decoded.append(item[0])
        return original(item, size)

    monkeypatch.setattr(decoding, "decode_image", counting)
    splits = load(write_parquet(labels=[0, 1] * 60), train_limit=6)
    assert [len(part) for part in parts_of(splits)] == [6, 12, 24]
    assert len(set(decoded)) == 42


def test_groups_stay_in_one_split(write_parquet: Write) -> None:
    tiles = [f"tile {number // 3}" for number in range(120)]
    labels = [number // 3 % 2 for number in range(120)]
    splits = load(write_parquet(labels=labels, tile=tiles), group="tile")
    groups = [set(part.groups.tolist()) for part in parts_of(splits)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 40
    for part in parts_of(splits):
        assert part.groups.tolist() == [row // 3 for row in rows(part)]


def test_groups_shared_by_the_data_s_own_parts(write_parquet: Write) -> None:
    write_parquet("set/test.parquet", labels=[0, 1], tile=["a", "b"])
    file = write_parquet(labels=[0, 1] * 2, tile=["c", "d", "e", "b"])
    with pytest.raises(InputError, match="in both the train and the test part"):
        load(file.parent, group="tile")


def test_boxes_follow_resizing(write_parquet: Write) -> None:
    """A white box on black: after resizing it is found where the box says."""
    images, boxes = [], []
    for number in range(30):
        height, width = (40, 80) if number % 2 else (80, 40)
        y, x = (12, 28) if number % 2 else (28, 8)
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[y : y + 16, x : x + 24] = 255
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        images.append({"bytes": stream.getvalue(), "path": None})
        boxes.append([x, y, x + 24, y + 16])
    file = write_parquet(labels=[0, 0, 1] * 10, images=images, bbox=boxes)
    for part in parts_of(load(file, image_size=20)):
        for image, box in zip(part.images[:, 0], part.boxes, strict=True):
            bright = (image > 127).nonzero().float()
            (y0, x0), (y1, x1) = bright.amin(dim=0), bright.amax(dim=0) + 1
            assert torch.allclose(torch.stack([x0, y0, x1, y1]), box, atol=0.51)


def test_boxes_are_kept_and_cut_at_the_border(write_parquet: Write) -> None:
    boxes = [[0, 1, 8, 7]] * 30
    splits = load(write_parquet(labels=[0, 1] * 15, bbox=boxes))
    assert splits.train.boxes is not None
    assert splits.train.boxes.unique(dim=0).tolist() == [[0, 1, 8, 7]]


def test_inclusive_boxes_hold_their_last_pixel(write_parquet: Write) -> None:
    file = write_parquet(labels=[0, 1] * 15, bbox=[[2, 3, 4, 3]] * 30)
    masks = load(file, inclusive_boxes=True).train.object_masks()
    assert masks is not None
    assert masks[0].nonzero().tolist() == [[3, 2], [3, 3], [3, 4]]  # row, column


def test_inclusive_boxes_without_boxes_are_refused(write_parquet: Write) -> None:
    with pytest.raises(InputError, match="no column 'bbox'"):
        load(write_parquet(labels=[0, 1] * 15), inclusive_boxes=True)
    with pytest.raises(InputError, match="inclusive_boxes is given, but data 'digits'"):
        load_data(DataOptions("digits", inclusive_boxes=True), seed=0)


LABELS = [0, 1] * 12
BOX = [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"image": "picture"}, {}, "no column 'image' or 'img'; found 'picture', 'label'"),
        ({"images": [1] * 24}, {}, "column 'image' .* holds int64; expected encoded images"),
        ({"images": [{"path": "x"}] * 24}, {}, "expected encoded images, as binary or a struct"),
        ({"labels": [*LABELS[:-1], -1]}, {}, r"row 23 of .*train\.parquet has label -1"),
        ({"labels": [*LABELS[:5], 2]}, {}, "row 5 of .* has label 2; expected less than 2"),
        ({"labels": ["a", "b"]}, {}, "column 'label' of .* holds string; expected integer"),
        ({"labels": [*LABELS[:5], None]}, {}, "column 'label' of .* has gaps"),
        ({"labels": [0] * 9}, {}, "has one class only"),
        ({"labels": [0] * 30 + [1] * 3}, {}, r"class 'dog' has too few images \(3\)"),
        ({"bbox": [[0, 0, 1]] * 24}, {}, "column 'bbox' of .* expected x0, y0, x1, y1"),
        ({"bbox": [BOX] * 23 + [None]}, {}, "column 'bbox' of .* expected x0, y0, x1, y1"),
        (
            {"bbox": [BOX] * 23 + [[4, 0, 3, 1]]},
            {},
            r"row 23 of .* has bbox \[4.0, 0.0, 3.0, 1.0\]",
        ),
        ({}, {"group": "tile"}, "no column 'tile'; found 'image', 'label'"),
        ({"tile": [None] * 24}, {"group": "tile"}, "column 'tile' of .* has gaps"),
        ({"images": [b"no image"] * 24}, {}, r"row \d+ of .*parquet cannot be read as an image"),
    ],
)
def test_bad_columns(
    write_parquet: Write, columns: dict[str, object], options: dict[str, object], message: str
) -> None:
    file = write_parquet(**columns)
    with pytest.raises(InputError, match=message) as caught:
        load(file, **options)
    assert "\n" not in str(caught.value)


def test_a_missing_and_a_corrupt_image_are_named_by_row(write_parquet: Write) -> None:
    whole = io.BytesIO()
    Image.new("RGB", (4, 4)).save(whole, "PNG")
    for bad, message in ((None, "holds no image bytes"), (whole.getvalue()[:40], "cannot be read")):
        images = (
            [{"bytes": whole.getvalue()}] * 17
            + [{"bytes": bad}]
            + [{"bytes": whole.getvalue()}] * 6
        )
        with pytest.raises(InputError, match=rf"row 17 of .*train\.parquet {message}"):
            load(write_parquet(images=images))


def test_no_label_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"x"], "kind": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no column 'label'"):
        load(tmp_path / "a.parquet")


def test_bad_files(tmp_path: Path, write_parquet: Write) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        load(tmp_path / "nowhere")
    (tmp_path / "set").mkdir()
    with pytest.raises(InputError, match=r"set holds no train\*\.parquet"):
        load(tmp_path / "set")
    (tmp_path / "set" / "train.parquet").write_text("not parquet")
    with pytest.raises(InputError, match=r"train\.parquet cannot be read as a Parquet file"):
        load(tmp_path / "set")
    table = pq.read_table(write_parquet())
    pq.write_table(table.slice(0, 0), tmp_path / "set" / "train.parquet")
    with pytest.raises(InputError, match=r"train\.parquet has no rows"):
        load(tmp_path / "set")


def test_files_that_name_different_classes(write_parquet: Write) -> None:
    write_parquet("set/test.parquet", names=("dog", "cat"))
    with pytest.raises(InputError, match="name different classes"):
        load(write_parquet().parent)
