"""``scaat new-run``: what it says of data, and that its file works as it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from tests.cli.inside import scaat, write_images
from tests.robustness.test_bad_input import encoded

from scaat.suggestions import Setting, commented, image_size_for


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), ("a", 60), ("b", 60), size=(16, 16))


def comments_and_values(text: str) -> list[tuple[bool, str]]:
    """Return, for each line with a value, whether a comment stands above it."""
    lines = text.splitlines()
    return [
        (above.lstrip().startswith("#"), line)
        for above, line in zip(["", *lines], lines, strict=False)
        if not line.lstrip().startswith("#") and not line.endswith(":")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["compare", "train"])
def test_the_file_works_as_it_is(command: str, images: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    made = scaat("new-run", images, "--out", file, "--json")
    assert made.status == 0, made
    assert made.document["settings"]["data.data"] == f"folder:{images}"
    assert f"scaat compare --config {file}" in made.document["next"]
    lines = comments_and_values(file.read_text())
    assert len(lines) == len(made.document["settings"])
    assert all(has_reason for has_reason, _ in lines)
    plan = scaat(
        command, "--config", file, "--out", tmp_path / "out", "--dry-run", "--json", "--model",
        "nets:tiny",
    )  # fmt: skip
    assert plan.status == 0, plan
    assert plan.document["batch_size"] == made.document["settings"]["training.batch_size"]
    assert not (tmp_path / "out").exists()


def test_nothing_remarkable_is_said_of_plain_images(images: Path, tmp_path: Path) -> None:
    done = scaat("new-run", images, "--out", tmp_path / "run.yaml")
    assert "16 x 16 (120)" in done.out
    assert "\n- " not in done.out
    assert f"--config {tmp_path / 'run.yaml'} --out runs/first --dry-run" in done.out


def test_large_images_get_fewer_maps_and_a_word_on_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = write_images(tmp_path / "large", ("a", 10), ("b", 10), size=(160, 160))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = scaat("new-run", large, "--out", tmp_path / "run.yaml")
    assert "--eval-images 50" in done.out
    assert "about 6 times as long as with images of 64 pixels" in " ".join(done.out.split())


def test_it_overwrites_only_by_force(images: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("mine")
    done = scaat("new-run", images, "--out", file)
    assert (done.status, file.read_text()) == (2, "mine")
    assert "expected a new file, or --force" in done.err
    assert scaat("new-run", images, "--out", file, "--force", "-q").status == 0
    assert yaml.safe_load(file.read_text())["data"]["data"] == f"folder:{images}"
    assert "is a folder" in scaat("new-run", images, "--out", tmp_path).err


def test_what_is_remarkable_is_told_in_a_sentence_each(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", ("few", 12), ("many", 60))
    (data / "few" / "0.png").write_bytes(b"no image")
    for number in range(20):
        path = data / "many" / f"{number}.png"
        Image.open(path).resize((40, 30)).convert("L").save(path)
    (data / "few" / "copy.png").write_bytes((data / "many" / "50.png").read_bytes())
    file = tmp_path / "run.yaml"
    done = scaat("new-run", data, "--out", file, "--json")
    assert done.status == 0, done
    notes = "\n".join(done.document["notes"])
    for said in (
        "The images have 2 sizes, from 12 x 12 pixels on",
        "0.png cannot be read",
        "'few' has fewer than 50 images",
        "Always answering 'many' would be right for 82%",
        "20 of 72 images that were decoded are grey",
        "in more than one class",
    ):
        assert said in notes, said
    assert done.document["settings"]["data.image_size"] == 8
    (data / "few" / "0.png").unlink()
    plan = scaat("train", "--config", file, "--out", tmp_path / "x", "--dry-run", "-q")
    assert plan.status == 0, plan


def test_columns_of_groups_are_named_and_used(tmp_path: Path) -> None:
    rows = 60
    table = {
        "image": [encoded(4 * row) for row in range(rows)],
        "label": [row % 2 for row in range(rows)],
        "patient": [row // 3 for row in range(rows)],
    }
    pq.write_table(pa.table(table), tmp_path / "train.parquet")
    plain = scaat("new-run", tmp_path, "--out", tmp_path / "a.yaml", "--json").document
    assert plain["data"] == f"parquet:{tmp_path}"
    assert any("The column 'patient' may say" in note for note in plain["notes"])
    grouped = scaat(
        "new-run", tmp_path, "--out", tmp_path / "b.yaml", "--group", "patient", "--json"
    ).document
    assert grouped["settings"]["data.group"] == "patient"
    assert not any("column" in note for note in grouped["notes"])


def test_classes_that_were_asked_for_are_written_with_a_reason(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", ("a", 60), ("b", 60), ("few", 3))
    file = tmp_path / "run.yaml"
    done = scaat("new-run", data, "--out", file, "--classes", "b,a", "--json")
    assert done.document["classes"] == ["b", "a"]
    assert done.document["counts"] == {"train": [60, 60]}
    assert not done.document["notes"]
    lines = comments_and_values(file.read_text())
    assert (True, "  classes: b,a") in lines
    assert all(has_reason for has_reason, _ in lines)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("absent", "expected a folder of images"),
        ("foldr:x", "did you mean 'folder'?"),
        ("folder:absent", "does not exist"),
    ],
)
def test_what_is_no_data(data: str, message: str, tmp_path: Path) -> None:
    done = scaat("new-run", data, "--out", tmp_path / "run.yaml")
    assert done.status == 2
    assert message in done.err
    assert not list(tmp_path.iterdir())


def test_images_without_class_folders(tmp_path: Path) -> None:
    write_images(tmp_path, ("a", 2))
    done = scaat("new-run", tmp_path / "a", "--out", tmp_path / "run.yaml")
    assert "holds no folders; expected a folder for each class" in done.err


@pytest.mark.parametrize(
    ("sizes", "asked", "value", "used"),
    [
        ({(64, 64): 9}, None, None, (64, 64)),
        ({(64, 80): 9}, None, None, (64, 80)),
        ({(64, 64): 9}, 32, 32, (32, 32)),
        ({(500, 400): 9}, None, 224, (224, 224)),
        ({(100, 90): 9, (20, 10): 1}, None, 88, (88, 88)),
        ({(1000, 900): 9, (20, 10): 1}, None, 224, (224, 224)),
        ({(5, 5): 1, (6, 5): 1}, None, 5, (5, 5)),
    ],
)
def test_the_size_to_train_on(
    sizes: dict[tuple[int, int], int],
    asked: int | None,
    value: int | None,
    used: tuple[int, int],
) -> None:
    actual = image_size_for(Counter(sizes), asked)
    assert (actual.value, actual.used) == (value, used)
    changed = value is not None and asked is None
    assert bool(actual.notes) == changed
    if (20, 10) in sizes:
        assert "1 images are smaller" in actual.notes[0]


def test_commented_yaml_reads_back() -> None:
    values = ["text: with # marks", None, 3, 0.25, "8/255", "ünï"]
    settings = [
        Setting(f"{section}name{number}", value, "Because of\nthis. " * 20)
        for section in ("", "one.", "one.two.")
        for number, value in enumerate(values)
    ]
    text = commented(settings, "the data")
    assert max(map(len, text.splitlines())) <= 100
    named = {f"name{number}": value for number, value in enumerate(values)}
    assert yaml.safe_load(text) == {**named, "one": {**named, "two": named}}
