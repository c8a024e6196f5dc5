from __future__ import annotations

from pathlib import Path

import pytest

from scaat.errors import InputError, WriteError
from scaat.files import new_folder, read_yaml, remove_parts, replacing, write_json, write_text


def test_replaces_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "made" / "file"
    write_text(path, "old")
    with replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def fail_half_way() -> None:
        with replacing(path) as part:
            part.write_text("ne")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="full"):
        fail_half_way()
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_folder_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a" / "new"
    with new_folder(folder) as part:
        (part / "file").write_text("x")
        assert not folder.exists()
    assert (folder / "file").read_text() == "x"
    with pytest.raises(InputError, match="expected a new or empty folder"), new_folder(folder):
        pass
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(WriteError, match="empty' cannot be written"), new_folder(empty) as part:
        (part / "none" / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"), new_folder(folder / "file" / "x"):
        pass
    assert not list(empty.iterdir())
    monkeypatch.chdir(empty)
    with new_folder(Path()) as part:  # an existing one, which is filled
        (part / "other").touch()
    names = sorted(path.name for path in tmp_path.rglob("*"))
    assert names == ["a", "empty", "file", "new", "other"]


def test_parts_of_killed_writers_are_removed_but_no_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "evaluation") as part:
        (tmp_path / ".file.123.part").touch()
        remove_parts(tmp_path)
        assert list(tmp_path.iterdir()) == [part]


@pytest.mark.parametrize(
    ("text", "lines"),
    [("a: 1\nb:\n  c: 1\n'a': 2", "1 and 4"), ("b: [{c: 1, c: 1}]", "1 and 1")],
)
def test_a_key_given_twice_is_refused(text: str, lines: str, tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"twice.yaml' gives '[ac]' twice, in lines {lines}"):
        read_yaml(path)


def test_yaml_is_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {x: 1, y: null}\nb: {<<: *a, x: 2}\nc: *a\n1: [*a, *a]\n'1': no\n")
    a = {"x": 1, "y": None}
    assert read_yaml(path) == {"a": a, "b": {**a, "x": 2}, "c": a, 1: [a, a], "1": False}
    path.write_text("# nothing\n")
    assert read_yaml(path) is None
