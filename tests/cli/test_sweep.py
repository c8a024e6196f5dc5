"""``scaat sweep`` as a user runs it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from tests.cli.inside import Done, scaat, write_images

from scaat.cli.commands import sweep as command
from scaat.cli.sweep import Tried, label

QUICK = [
    *("--model", "nets:tiny", "--epochs", "1", "--batch-size", "16", "--precision", "32"),
    *(
        "--scaat.steps",
        "1",
        "--scaat.search-interval",
        "1",
        "--eval-images",
        "4",
        "--eval-aopc-steps",
        "2",
    ),
    *("--eval-aopc-repeats", "1", "--eval-bootstrap-resamples", "100"),
    *("--eval-attributions", "gradient"),
]


def sweep(out: Path, data: Path, *arguments: object) -> Done:
    return scaat("sweep", "--out", out, "--data", f"folder:{data}", *QUICK, *arguments)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), ("a", 20), ("b", 20))


@pytest.mark.slow
def test_a_sweep_and_more_of_it(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    vary = ["--vary", "method=standard,scaat", "--vary", "scaat.weight=1,2"]
    done = sweep(out, data, *vary, "--json")
    assert done.status == 0, done.err
    rows = done.document["rows"]
    assert [row["setting"] for row in rows] == ["standard", "scaat, weight 1", "scaat, weight 2"]
    assert json.loads((out / "sweep.json").read_text())["rows"] == rows
    assert any(row["on_front"] for row in rows)
    # Four of 40 images are for validation, and they are what is measured.
    assert {row["accuracy"]["n"] for row in rows} == {4}
    text = (out / "sweep.md").read_text()
    assert "| 2. scaat, weight 1 |" in text
    assert (out / "figures" / "sweep-gradient.png").stat().st_size > 1000
    written = [(out / "trials" / f"scaat-weight-{w}-seed-0" / "config.yaml") for w in (1, 2)]
    configs = [yaml.safe_load(path.read_text()) for path in written]
    assert [config["objectives"]["scaat"]["weight"] for config in configs] == [1, 2]

    # Kept are those that are done; a value is added.
    stamps = [path.stat().st_mtime_ns for path in written]
    vary[-1] = "scaat.weight=1,2,3"
    done = sweep(out, data, *vary, "--resume", "--json")
    assert done.status == 0, done.err
    more = done.document["rows"]
    assert len(more) == 4
    assert [path.stat().st_mtime_ns for path in written] == stamps
    for row in (*rows, *more):
        del row["on_front"]  # what is on it may change as settings are added
    assert more[:3] == rows

    # A trial is a run like any other.
    said = scaat("evaluate", out / "trials" / "standard-seed-0", *QUICK[-10:], "--json")
    assert said.status == 0, said.err
    assert said.document["rows"][0]["accuracy"]["n"] == 8  # a fifth of the images, for the test
    shutil.rmtree(out / "trials" / "standard-seed-0" / "evaluation")

    # The packed study is enough to make the tables and a report, and to resume.
    shutil.rmtree(out / "trials")
    text = (out / "sweep.md").read_text()
    report = scaat("report", out, "--out", tmp_path / "report", "--json")
    assert report.status == 0, report.err
    assert len(report.document["rows"]) == 4
    done = sweep(out, data, *vary, "--resume", "--json")
    assert done.status == 0, done.err
    assert "Trial" not in done.err
    assert (out / "sweep.md").read_text() == text


def test_trials_share_their_reference(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    vary = ["--vary", "scaat.epsilon=0.1,0.2", "--json"]
    done = sweep(out, data, *vary)
    assert done.status == 0, done.err
    folders = sorted(path.name for path in (out / "trials").iterdir())
    (reference,) = [name for name in folders if name.startswith("reference-")]
    assert len(folders) == 3
    assert "Trial 1 of 3: standard, seed 0" in done.err
    assert "Trial 3 of 3: scaat, epsilon 0.2, seed 0" in done.err

    def seconds(name: str, key: str) -> float:
        summary = json.loads((out / "trials" / name / "training.json").read_text())
        return float(summary[key])

    for name in folders:
        if name != reference:
            assert seconds(name, "reference_seconds") == seconds(reference, "train_seconds")
            assert not (out / "trials" / name / "reference").exists()
    assert [row["setting"] for row in done.document["rows"]] == [
        *("scaat, epsilon 0.1", "scaat, epsilon 0.2")
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("spawned_anew")
def test_several_at_once_are_what_each_is_alone(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    vary = ["--vary", "method=standard,scaat", "--seeds", "0,1", "--json"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each of the processes has, since threads round differently
    try:
        alone = sweep(tmp_path / "alone", data, *vary)
    finally:
        torch.set_num_threads(threads)
    capfd.readouterr()
    told = sweep(tmp_path / "both", data, *vary, "--jobs", 2)
    assert told.status == 0, told.err
    rows = [done.document["rows"] for done in (alone, told)]
    for row in (*rows[0], *rows[1]):
        del row["train_seconds"]
    assert rows[0] == rows[1]
    assert re.search(r"Trial 4 of 4 is done: (scaat|standard), seed [01]", told.err)
    lines = capfd.readouterr().err.splitlines()  # of the processes themselves
    assert sorted(line.partition("  loss")[0] for line in lines) == [
        f"{method}-seed-{seed}  epoch 1/1" for method in ("scaat", "standard") for seed in (0, 1)
    ]
    again = sweep(tmp_path / "both", data, *vary, "--jobs", 2, "--resume")
    assert again.status == 0, again.err
    assert again.document == told.document
    assert "Trial" not in again.err


@pytest.mark.slow
def test_one_of_several_that_falls_apart(data: Path, tmp_path: Path) -> None:
    vary = ["--method", "standard", "--vary", "learning-rate=0.1,1e30"]
    done = sweep(tmp_path / "out", data, *vary, "--jobs", 2, "--quiet", "--json")
    assert (done.status, done.err) == (0, "")
    assert len(done.document["rows"]) == 1
    ((name, why),) = done.document["failed"].items()
    assert name.startswith("standard, learning rate 1")
    assert "loss became" in why


@pytest.mark.slow
def test_an_error_in_one_of_several_is_one_sentence(data: Path, tmp_path: Path) -> None:
    vary = ["--vary", "scaat.weight=1,2", "--jobs", 2]
    done = sweep(tmp_path / "out", data / "missing", *vary)
    assert done.status == 2
    assert "Traceback" not in done.err
    *_, last = done.err.splitlines()
    assert last.startswith("error: ")
    assert "missing" in last


def test_several_at_once_are_not_of_several_processes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "TORCHELASTIC_RUN_ID": "a",
        "LOCAL_WORLD_SIZE": "2",
        "WORLD_SIZE": "2",
    }.items():
        monkeypatch.setenv(name, value)
    done = sweep(tmp_path / "out", data, "--vary", "scaat.weight=1,2", "--jobs", 2)
    assert done.status == 2
    assert "jobs is 2, but torchrun started several processes" in done.err
    assert not (tmp_path / "out").exists()


def test_settings_come_from_a_file(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "asked.yaml"
    path.write_text(yaml.safe_dump({"vary": ["learning-rate=0.1,0.2"], "seeds": [4, 5]}))
    done = sweep(tmp_path / "out", data, "--config", path, "--method", "standard", "--json")
    assert done.status == 0, done.err
    rows = done.document["rows"]
    assert [row["setting"] for row in rows] == [f"standard, learning rate {x}" for x in (0.1, 0.2)]
    assert [row["seeds"] for row in rows] == [[4, 5], [4, 5]]


def test_an_option_may_be_spelt_as_in_a_settings_file(data: Path, tmp_path: Path) -> None:
    done = sweep(tmp_path, data, "--method", "standard", "--vary", "learning_rate=0.2", "--json")
    assert done.status == 0, done.err
    assert [row["setting"] for row in done.document["rows"]] == ["standard, learning rate 0.2"]


def test_the_value_of_the_start_is_no_second_trial(data: Path, tmp_path: Path) -> None:
    chosen = ["--one-at-a-time", "--method", "standard", "--vary", "learning-rate=0.1,0.2"]
    done = sweep(tmp_path / "out", data, *chosen, "--json")  # 0.1 is the default
    assert done.status == 0, done.err
    assert [row["setting"] for row in done.document["rows"]] == [
        "standard",
        "standard, learning rate 0.2",
    ]


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ("scaat.epsilo=1", "no option 'scaat.epsilo' to vary (did you mean 'scaat.epsilon'?)"),
        ("scaat.weight=heavy", "'heavy' is not a number"),
        ("scaat.weight=1,1", "is no option with different values"),
        ("scaat.weight", "is no option with different values"),
        ("scaat.weight=-1", "weight is -1.0, expected a non-negative number"),
        ("methods=standard", "no option 'methods' to vary (did you mean 'method'?)"),
        ("seed=1", "no option 'seed' to vary"),
        ("eval-attributions=gradient", "no option 'eval-attributions' to vary"),
        ("data=digitz", "unknown data set 'digitz'"),
    ],
)
def test_a_wrong_value_is_one_sentence(data: Path, tmp_path: Path, vary: str, said: str) -> None:
    done = sweep(tmp_path / "out", data, "--vary", vary)
    assert done.status == 2
    assert said in " ".join(done.err.split())
    assert not list(tmp_path.glob("out/*"))


def test_folders_that_do_not_fit(data: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    done = sweep(tmp_path, data, "--vary", "scaat.weight=1")
    assert done.status == 2
    assert "expected a new or empty folder" in done.err
    done = sweep(tmp_path, data, "--vary", "scaat.weight=1", "--resume")
    assert done.status == 2
    assert "has no sweep.yaml" in done.err


def test_seeds_are_different_numbers(data: Path, tmp_path: Path) -> None:
    for seeds in ("0,0", "a", "-1"):
        done = sweep(tmp_path / "out", data, "--vary", "scaat.weight=1", "--seeds", seeds)
        assert done.status == 2
        assert "is no list of different seeds" in done.err


def test_labels_name_what_a_method_has() -> None:
    point = {
        "method": Tried("scaat", "scaat"),
        "objectives.scaat.step_size": Tried("10/255", 10 / 255),
        "objectives.trades.weight": Tried("6", 6.0),
        "training.learning_rate": Tried("0.1", 0.1),
    }
    assert label(command, point, "scaat") == "scaat, step size 10/255, learning rate 0.1"
    assert label(command, point, "standard") == "standard, learning rate 0.1"
