"""``--quiet`` and ``--json``: what reaches which stream."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.inside import Done, scaat, write_images

from scaat.cli.commands import cli

QUICK = ["--model", "nets:tiny", "--epochs", 1, "--batch-size", 8, "--precision", "32"]
QUICK += ["--scaat.steps", 1, "--scaat.weight", 5, "--scaat.search-interval", 1]
MEASURE = ["--eval-images", 4, "--eval-aopc-steps", 2, "--eval-aopc-repeats", 1]
MEASURE += ["--eval-examples", 2, "--eval-bootstrap-resamples", 100]
MEASURE += ["--eval-attributions", "gradient"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), ("a", 20), ("b", 20))


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    out = tmp_path_factory.mktemp("runs") / "trained"
    return out, scaat("train", "--out", out, "--data", f"folder:{images}", *QUICK, "--json")


def test_train_prints_its_summary_and_progress_elsewhere(trained: tuple[Path, Done]) -> None:
    out, done = trained
    assert done.status == 0, done
    assert done.document["command"] == "train"
    assert done.document["out"] == str(out)
    assert done.document["training"]["epochs"] == 1
    assert "epoch 1/1" in done.err


def test_a_plan_is_a_document(images: Path, tmp_path: Path) -> None:
    done = scaat(
        "compare", "--out", tmp_path / "x", "--data", f"folder:{images}", *QUICK, "--dry-run",
        "--json",
    )  # fmt: skip
    assert done.status == 0, done
    assert done.document["methods"].keys() == {"standard", "saliency-guided", "scaat"}
    assert done.document["methods"]["standard"]["optimizer_steps"] == 4


@pytest.mark.slow
def test_compare_evaluate_report_and_explain(
    images: Path, trained: tuple[Path, Done], tmp_path: Path
) -> None:
    run, _ = trained
    out = tmp_path / "compared"
    compared = scaat(
        "compare", "--out", out, "--data", f"folder:{images}", *QUICK, *MEASURE, "--methods",
        "standard", "--json", "--quiet",
    )  # fmt: skip
    assert compared.status == 0, compared
    assert compared.err == ""
    (row,) = compared.document["rows"]
    assert (row["method"], row["attribution"], row["entropy"]["n"]) == ("standard", "gradient", 4)
    assert Path(compared.document["report"]).is_file()
    again = scaat("evaluate", out / "models" / "standard", *MEASURE, "--json")
    assert again.document["rows"][0]["entropy"] == row["entropy"]
    evaluated = scaat("evaluate", run, *MEASURE, "--json")
    assert evaluated.document["rows"][0]["method"] == "scaat"
    both = scaat("report", out, run, "--out", tmp_path / "both", "--json")
    assert [row["method"] for row in both.document["rows"]] == ["standard", "scaat"]
    shown = scaat(
        "explain", images / "a" / "0.png", "--run", run, "--out", tmp_path / "s", "--json"
    )
    assert shown.document["explanations"][0]["attribution"] == "gradient"
    assert Path(shown.document["sheets"][0]).is_file()


@pytest.mark.slow
def test_two_of_three_classes_have_an_auc(tmp_path: Path) -> None:
    """And a model of them is evaluated, planned and shown as one of two classes."""
    data = write_images(tmp_path / "images", ("a", 20), ("b", 20), ("c", 20))
    chosen = ["--data", f"folder:{data}", "--classes", "c,a", *QUICK]
    plan = scaat("train", "--out", tmp_path / "x", *chosen, "--dry-run")
    assert "28 training, 4 validation and 8 test images of 12 x 12 pixels in 2 classes" in plan.err
    out = tmp_path / "compared"
    compared = scaat("compare", "--out", out, *chosen, *MEASURE, "--methods", "standard", "--json")
    assert compared.status == 0, compared
    (row,) = compared.document["rows"]
    assert row["auc"]["n"] == row["accuracy"]["n"] == 8
    model = out / "models" / "standard"
    (again,) = scaat("evaluate", model, *MEASURE, "--json").document["rows"]
    assert again["auc"] == row["auc"]
    shown = scaat(
        "explain", data / "a" / "0.png", "--run", model, "--target", "c", "--out", tmp_path / "s",
        "--json",
    )  # fmt: skip
    assert shown.status == 0, shown
    wrong = scaat("train", "--out", tmp_path / "x", "--data", f"folder:{data}", "--classes", "a,d")
    assert wrong.status == 2
    assert "unknown class of data 'folder:" in wrong.err


def test_quiet_says_nothing_but_errors(images: Path, tmp_path: Path) -> None:
    data = ["--data", f"folder:{images}", *QUICK]
    assert scaat("train", "--out", tmp_path / "x", *data, "-q") == Done(0, "", "")
    again = scaat("train", "--out", tmp_path / "x", *data, "--quiet")
    assert (again.status, again.out) == (2, "")
    assert "holds a run already" in again.err


def test_data_commands(images: Path, tmp_path: Path) -> None:
    spec = f"folder:{images}"
    kinds = scaat("data", "list", "--json").document["kinds"]
    assert "folder" in [kind["name"] for kind in kinds]
    info = scaat("data", "info", spec, "--json").document
    assert info["command"] == "data info"
    assert info["parts"] == {"train": {"images": 40, "by_class": [20, 20]}}
    assert info["first_image"] == {"height": 12, "width": 12}
    cache = scaat("data", "convert", spec, tmp_path / "cache", "--json").document
    assert cache["images"] == {"train": 40}
    assert scaat("data", "check", cache["data"], "-q") == Done(0, "", "")


def test_a_finding_decides_the_status_in_every_mode(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", ("a", 3), ("b", 3))
    (folder / "a" / "1.png").write_bytes(b"broken")
    plain, quiet, as_json = (
        scaat("data", "check", f"folder:{folder}", *mode) for mode in ([], ["-q"], ["--json"])
    )
    assert plain.status == quiet.status == as_json.status == 1
    assert "1.png cannot be read" in plain.out
    assert "1.png cannot be read" in quiet.err
    assert quiet.out == ""
    assert len(as_json.document["broken"]) == 1


def test_what_a_user_s_module_prints_stays_out_of_the_document(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chatty.py").write_text(
        "import nets\ndef make(**sizes):\n    print('hello')\n    return nets.tiny(**sizes)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    done = scaat(
        "train", "--out", tmp_path / "x", "--data", f"folder:{images}", *QUICK, "--dry-run",
        "--model", "chatty:make", "--json",
    )  # fmt: skip
    assert done.document["model"] == "chatty:make"
    assert "hello" in done.err


def test_a_mode_is_no_setting(images: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("quiet: true\n")
    done = scaat("train", "--out", tmp_path / "x", "--config", file)
    assert done.status == 2
    assert "unknown option 'quiet'" in done.err


def test_every_command_has_the_modes() -> None:
    for name, command in cli.commands.items():
        for each in getattr(command, "commands", {"": command}).values():
            flags = {flag for parameter in each.params for flag in parameter.opts}
            assert {"--quiet", "-q"} <= flags, name
            assert ("--json" in flags) == (name not in ("app", "completion")), name
