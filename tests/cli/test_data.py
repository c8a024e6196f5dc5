"""``scaat data`` as a user runs it, inside this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from tests.data.samples import mnist

from scaat.cli.commands import data as command
from scaat.data import DataOptions, datasets, load_data
from scaat.errors import InputError


def data(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(30):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    return tmp_path / "images"


def test_list_names_every_kind() -> None:
    said = data("list").output
    for name in datasets:
        assert f"\n {name}" in said


def test_info_counts(folder: Path) -> None:
    done = data("info", f"folder:{folder}")
    assert done.exit_code == 0
    assert " a " in done.output
    assert "30" in done.output
    assert "validation and test" in done.output
    assert "9 x 9 pixels" in done.output


def test_info_of_a_test_part_alone(folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "test")
    done = data("info", f"folder:{tmp_path}")
    assert done.exit_code == 0
    assert "a test part alone" in done.output
    assert "9 x 9 pixels" in done.output


def test_check_of_whole_images(folder: Path) -> None:
    done = data("check", f"folder:{folder}")
    assert done.exit_code == 0
    assert "30 images are whole." in done.output


def test_check_names_all_that_is_broken(folder: Path) -> None:
    broken = [folder / "a" / "04.png", folder / "b" / "05.png"]
    for path in broken:
        path.write_bytes(path.read_bytes()[:40])
    done = data("check", f"folder:{folder}")
    assert done.exit_code == 1
    for path in broken:
        assert f"{path} cannot be read" in done.output
    assert done.output.count("cannot be read") == 2
    Image.new("RGB", (8, 9)).save(broken[0])
    broken[1].unlink()
    done = data("check", f"folder:{folder}")
    assert done.exit_code == 1
    assert "9x8" in done.output


def test_check_names_files_that_are_not_the_published_ones(tmp_path: Path) -> None:
    done = data("check", f"mnist:{mnist(tmp_path / 'set')}")
    assert done.exit_code == 1
    assert "train-images-idx3-ubyte.gz has MD5" in done.output
    assert "published is" in done.output


def test_check_knows_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    mnist(tmp_path / "set")
    assert "published is" in data("check", "mnist:~/set").output


def test_convert_and_use(folder: Path, tmp_path: Path) -> None:
    done = data("convert", f"folder:{folder}", tmp_path / "cache", "--image-size", 6)
    assert done.exit_code == 0, done.output
    assert f"30 train images. Use: --data cache:{tmp_path / 'cache'}" in done.output
    assert "6 x 6 pixels" in data("info", f"cache:{tmp_path / 'cache'}").output
    again = data("convert", f"folder:{folder}", tmp_path / "cache")
    assert isinstance(again.exception, InputError)
    assert "exists already" in str(again.exception)


def test_some_classes_are_counted_checked_and_converted(folder: Path, tmp_path: Path) -> None:
    for number in range(4):
        path = folder / "c" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no image")
    spec, chosen = f"folder:{folder}", ("--classes", "b,a")
    said = data("info", spec, *chosen).output
    assert said.index(" b ") < said.index(" a ")
    assert " c " not in said
    assert data("check", spec).exit_code == 1
    assert "30 images are whole." in data("check", spec, *chosen).output
    assert data("convert", spec, tmp_path / "cache", *chosen).exit_code == 0
    actual = load_data(DataOptions(f"cache:{tmp_path / 'cache'}"), seed=0)
    assert actual.train.classes == ("b", "a")


def test_wrong_data_are_one_sentence(tmp_path: Path) -> None:
    for arguments, message in (
        (("info", "foldr:x"), "did you mean 'folder'"),
        (("info", f"folder:{tmp_path / 'absent'}"), "does not exist"),
        (("convert", "cache:x", tmp_path / "out"), "a cache already"),
    ):
        done = data(*arguments)
        assert isinstance(done.exception, InputError)
        assert message in str(done.exception)
