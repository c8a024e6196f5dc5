from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.data.samples import WNIDS, imagenet

from scaat.data import DataOptions, load_data
from scaat.data.folder import SUFFIXES, images_below
from scaat.data.loading import find_source
from scaat.data.registry import Source
from scaat.errors import InputError

Write = Callable[..., Path]


def load(root: Path, **options: object):  # type: ignore[no-untyped-def]
    return load_data(DataOptions(data=f"folder:{root}", **options), seed=0)  # type: ignore[arg-type]


def test_classes_labels_and_pixels(write_folder: Write) -> None:
    root = write_folder(counts={"dog": 20, "cat": 10})
    (root / ".hidden").mkdir()
    (root / "notes.txt").write_text("no image")
    splits = load(root)
    assert splits.train.classes == ("cat", "dog")
    parts = (splits.train, splits.validation, splits.test)
    for label, count in ((0, 10), (1, 20)):
        values = [p.images[p.labels == label][:, 0, 0, 0].tolist() for p in parts]
        assert sorted(chain(*values)) == list(range(count))


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("train", "validation", "test"),
        ("train", "valid", "test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "VAL", "test"),
    ],
)
def test_parts_that_the_data_bring_are_kept(
    write_folder: Write, train: str, validation: str, test: str
) -> None:
    root = write_folder(train, {"cat": 3, "dog": 4})
    write_folder(test, {"cat": 2, "dog": 1})
    write_folder(validation, {"dog": 2})
    splits = load(root)
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [7, 2, 3]
    assert splits.validation.labels.tolist() == [1, 1]
    assert splits.settings["validation_from"] == splits.settings["test_from"] == "data"


def test_a_class_may_have_the_name_of_a_part(write_folder: Write) -> None:
    root = write_folder(counts={"Car": 12, "Train": 12})
    assert load(root).train.classes == ("Car", "Train")


def test_two_folders_of_one_part(write_folder: Write) -> None:
    root = write_folder("train")
    write_folder("val")
    write_folder("Validation")
    message = r"several folders of the validation part \('Validation', 'val'\); expected one"
    with pytest.raises(InputError, match=message):
        load(root)


def test_links_to_folders_are_followed_once(write_folder: Write, tmp_path: Path) -> None:
    cats = write_folder(counts={"cat": 3, "dog": 3}) / "cat"
    (tmp_path / "store" / "deep").mkdir(parents=True)
    for place in ("one.png", "deep/two.png", ".hidden.png"):
        shutil.copy(cats / "000.png", tmp_path / "store" / place)
    (cats / "patient").symlink_to(tmp_path / "store")
    (cats / "again").symlink_to(tmp_path / "store" / "deep")
    (cats / "loop").symlink_to(cats)
    (tmp_path / "store" / "up").symlink_to(tmp_path)
    (cats / "broken.png").symlink_to(tmp_path / "nowhere")
    found = [str(file.relative_to(cats)) for file in images_below(cats)]
    own = ["000.png", "001.png", "002.png"]
    assert found == [*own, "again/two.png", "patient/one.png"]
    source = find_source(DataOptions(f"folder:{cats.parent}"))
    assert source.train.labels.tolist() == [0] * 5 + [1] * 3


def test_order_and_hidden_images_without_links(tmp_path: Path) -> None:
    for name in ("b/1.png", "b.png", "a-b/2.png", "a/c/3.png", "a/.d/4.png", "B/5.png", ".e/6.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    visible = [f for f in sorted(tmp_path.rglob("*.png")) if "/." not in str(f)]
    assert images_below(tmp_path) == visible
    assert len(visible) == 5


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", fail)
    with pytest.raises(InputError, match=r"folder .* cannot be read \(Permission denied\)"):
        images_below(tmp_path)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_suffixes(write_folder: Write, suffix: str) -> None:
    splits = load(write_folder(suffix=suffix[1:].upper() if suffix == ".png" else suffix[1:]))
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 24


def test_image_size_resizes_the_shorter_side_and_crops_the_centre(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(10):
            image = Image.new("RGB", (30, 10 + number // 2), (255, 0, 0))  # red left and right ...
            image.paste((0, 0, 255), (5, 0, 25, 30))  # ... of a blue middle
            image.save(tmp_path / name / f"{number}.png")
    images = load(tmp_path, image_size=5).train.images
    assert images.shape[1:] == (3, 5, 5)
    assert torch.equal(images[0, :, 2, 2], torch.tensor([0, 0, 255], dtype=torch.uint8))
    assert images[:, 0].sum() == 0  # the red sides lie outside every centre square


def test_grey_palette_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number, mode in enumerate(["L", "P", "RGBA", "1", "LA"] * 2):
            Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode).save(
                tmp_path / name / f"{number}.png"
            )
    images = load(tmp_path).train.images
    assert images.shape[1:] == (3, 4, 4)
    assert (images == 255).all()


def test_orientation_is_applied(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(10):
            image = Image.new("RGB", (8, 4))
            image.getexif()[0x0112] = 6  # turn by a quarter
            image.save(tmp_path / name / f"{number}.jpg", exif=image.getexif())
    assert load(tmp_path).train.image_size == (8, 4)


def one_corrupt(root: Path) -> None:
    file = root / "cat" / "003.png"
    file.write_bytes(file.read_bytes()[:50])


def one_text(root: Path) -> None:
    (root / "cat" / "003.png").write_text("no image")


def one_larger(root: Path) -> None:
    Image.new("RGB", (9, 8)).save(root / "dog" / "011.png")


def one_sixteen_bit(root: Path) -> None:
    Image.new("I;16", (8, 8)).save(root / "dog" / "011.png")


def one_empty_class(root: Path) -> None:
    (root / "eel").mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (one_corrupt, r"cat/003\.png cannot be read as an image"),
        (one_text, r"cat/003\.png cannot be read as an image"),
        (one_larger, r"dog/011\.png is 8x9 but .*/cat/.*\.png is 8x8; .* set image_size"),
        (one_sixteen_bit, r"dog/011\.png has mode 'I;16'; expected 8 bits a channel"),
        (one_empty_class, r"class folder .*eel holds no images; expected files of type .*\.png"),
    ],
)
def test_bad_images(write_folder: Write, spoil: Callable[[Path], None], message: str) -> None:
    root = write_folder()
    spoil(root)
    with pytest.raises(InputError, match=message) as caught:
        load(root)
    assert "\n" not in str(caught.value)


def test_bad_folders(tmp_path: Path, write_folder: Write) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty is empty"):
        load(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file; expected a folder"):
        load(tmp_path / "file")
    root = write_folder(counts={"cat": 30})
    with pytest.raises(InputError, match="has one class only"):
        load(root)


def test_bad_parts(write_folder: Write) -> None:
    root = write_folder("test")
    with pytest.raises(InputError, match="holds a test part but no train part"):
        load(root)
    write_folder("val")
    with pytest.raises(InputError, match="holds 'val' but no 'train'"):
        load(root)
    shutil.rmtree(root / "val")
    write_folder("train", {"cat": 20, "dog": 20})
    write_folder("test", {"eel": 1})
    with pytest.raises(InputError, match="eel is no class of train"):
        load(root)


def test_parts_of_different_sizes(write_folder: Write) -> None:
    root = write_folder("train", {"cat": 20, "dog": 20})
    write_folder("test", {"cat": 1, "dog": 1})
    for name in ("cat", "dog"):
        Image.new("RGB", (4, 4)).save(root / "test" / name / "000.png")
    with pytest.raises(InputError, match="test images are 4x4 and train images 8x8"):
        load(root)


def test_more_than_the_memory(write_folder: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaat.data.decoding.available_memory", lambda: 3000)
    message = r"16 images of 8x8 need 0.0 GiB .* set image_size or train_limit lower"
    with pytest.raises(InputError, match=message):
        load(write_folder())
    assert len(load(write_folder(), train_limit=10).train) == 10


def test_more_files_than_one_window_keep_their_order(
    write_folder: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaat.data.decoding.TASK", 3)
    monkeypatch.setattr("scaat.data.decoding.WINDOW", 2)
    splits = load(write_folder(counts={"cat": 40, "dog": 40}))
    for part in (splits.train, splits.validation, splits.test):
        values = part.images[:, 0, 0, 0]
        for label in (0, 1):
            of_class = values[part.labels == label]
            assert torch.equal(of_class, of_class.sort().values)
            assert len(of_class.unique()) == len(of_class)


@pytest.mark.parametrize("way", ["memory", "lazy"])
def test_imagenet(way: Any, tmp_path: Path) -> None:
    options = DataOptions(data=f"imagenet:{imagenet(tmp_path)}", image_size=8, loading=way)
    splits = load_data(options, seed=0)
    assert splits.train.classes == WNIDS
    assert splits.settings["test_from"] == "data"
    assert splits.settings["validation_from"] == "train"
    red = splits.test.pixels()[:, 0].float().mean((1, 2))
    torch.testing.assert_close(red, 80.0 * splits.test.labels, atol=3.0, rtol=0)
    red = splits.train.pixels()[:, 0].float().mean((1, 2))
    torch.testing.assert_close(red, 40.0 * splits.train.labels, atol=3.0, rtol=0)


def test_imagenet_that_does_not_fit(tmp_path: Path) -> None:
    def read(image_size: int | None = 8) -> Source:
        return find_source(DataOptions(f"imagenet:{tmp_path}", image_size=image_size))

    with pytest.raises(InputError, match="image_size is not given"):
        read(None)
    with pytest.raises(InputError, match="holds no folders 'train' and 'val'"):
        read()
    imagenet(tmp_path)
    for folder in (tmp_path / "val").iterdir():
        folder.rename(tmp_path / folder.name)
    with pytest.raises(InputError, match="val holds no class folders"):
        read()
