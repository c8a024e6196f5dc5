""""""

from __future__ import annotations

from pathlib import Path

import pytest

from scaat.errors import InputError
from scaat.training import open_folder, read_config

CONFIG = {"command": "train", "seed": 0, "training": {"epochs": 3, "model": "x"}}


def test_claims_a_new_or_empty_folder(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "a" / "b"):
        open_folder(folder, CONFIG, resume=False)
        assert read_config(folder) == CONFIG


def test_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    run = tmp_path / "run"
    open_folder(run, CONFIG, resume=False)
    with pytest.raises(InputError, match="holds a run already"):
        open_folder(run, CONFIG, resume=False)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file, expected a folder"):
        open_folder(tmp_path / "file", CONFIG, resume=False)
    with pytest.raises(InputError, match="files that are not of a run"):
        open_folder(tmp_path, CONFIG, resume=False)
    assert not (tmp_path / "config.yaml").exists()


def test_resumes_only_the_same_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run to resume"):
        open_folder(tmp_path, CONFIG, resume=True)
    open_folder(tmp_path, CONFIG, resume=False)
    open_folder(tmp_path, CONFIG, resume=True)
    other = {**CONFIG, "training": {"epochs": 4, "model": "x"}}
    with pytest.raises(InputError, match=r"training\.epochs is 3 there and 4 now"):
        open_folder(tmp_path, other, resume=True)


@pytest.mark.parametrize("content", [b"a: [", b"- 1", b"", b"\xff\xfe"])
def test_damaged_configuration_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"config\.yaml"):
        read_config(tmp_path)


def test_how_a_run_is_carried_out_may_change(tmp_path: Path) -> None:
    training = {"epochs": 3, "workers": 1, "checkpoint_every": 10}
    open_folder(tmp_path, {"training": training}, resume=False)
    other = {"training": {"epochs": 3, "workers": 0, "checkpoint_every": 7}}
    open_folder(tmp_path, other, resume=True)
    with pytest.raises(InputError, match=r"training\.epochs is 3 there and 2 now"):
        open_folder(tmp_path, {"training": {**training, "epochs": 2}}, resume=True)


@pytest.mark.parametrize(
    ("section", "name", "same", "other"),
    [
        ("data", "classes", None, "a,b"),
        ("training", "clip_gradient", 1.0, 0.5),
        ("training", "accumulate", 1, 2),
    ],
)
def test_an_option_that_an_older_version_lacked_counts_as_its_default(
    section: str, name: str, same: object, other: object, tmp_path: Path
) -> None:
    open_folder(tmp_path, {section: {}}, resume=False)
    open_folder(tmp_path, {section: {name: same}}, resume=True)
    with pytest.raises(InputError, match=rf"{section}\.{name} is None there and {other!r} now"):
        open_folder(tmp_path, {section: {name: other}}, resume=True)


def test_an_older_version_may_lack_a_methods_option(tmp_path: Path) -> None:
    def config(**options: object) -> dict[str, object]:
        return {"objectives": {"scaat": {"epsilon": 0.5, **options}}}

    open_folder(tmp_path, config(), resume=False)
    open_folder(tmp_path, config(search_interval=1, ramp_steps=0), resume=True)
    with pytest.raises(InputError, match=r"scaat\.search_interval is None there and 2 now"):
        open_folder(tmp_path, config(search_interval=2), resume=True)
    with pytest.raises(InputError, match=r"scaat\.of_later is None there and 3 now"):
        open_folder(tmp_path, config(of_later=3), resume=True)
