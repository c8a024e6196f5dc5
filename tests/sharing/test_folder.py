"""A shared run: its files, and a card whose every number is the run's."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from scaat.display.labels import METRICS
from scaat.errors import InputError, WriteError
from scaat.sharing import load_shared, share_run
from scaat.sharing.run import data_name
from scaat.training import load_trained

from .conftest import CLASSES


@pytest.fixture(scope="module")
def shared(compared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shared") / "moles-scaat"
    share_run(compared, out, method="scaat", licence="apache-2.0")
    return out


@pytest.fixture(scope="module")
def rows(compared: Path) -> list[dict[str, Any]]:
    rows = json.loads((compared / "results.json").read_text())["rows"]
    return [row for row in rows if row["method"] == "scaat"]


def rendered(shared: Path) -> str:
    """Return the card as HTML, without its front matter."""
    text = (shared / "README.md").read_text().split("---\n", 2)[2]
    return MarkdownIt("commonmark").enable("table").render(text)


def test_the_model_is_the_runs(compared: Path, shared: Path) -> None:
    trained, found = load_trained(compared / "models" / "scaat"), load_shared(shared)
    images = torch.rand(5, 3, 12, 12)
    with torch.no_grad():
        assert torch.equal(found.model(images), trained.model(images))
    assert torch.equal(found.proportion, trained.proportion)  # type: ignore[arg-type]
    assert set(found.classes) == set(CLASSES)
    assert found.options["steps"] == 1


def test_the_hubs_library_reads_the_card(shared: Path, rows: list[dict[str, Any]]) -> None:
    data = ModelCard.load(shared / "README.md").data
    assert (data.library_name, data.pipeline_tag) == ("scaat", "image-classification")
    assert data.license == "apache-2.0"
    assert data.metrics == ["accuracy", "roc_auc"]
    assert data.model_name == "moles-scaat"
    found = {
        (result.metric_type, (result.metric_args or {}).get("attribution")): result.metric_value
        for result in data.eval_results
    }
    expected = {
        ("roc_auc" if key == "auc" else key, None): rows[0][key]["value"]
        for key in ("accuracy", "auc")
    }
    for row in rows:
        for key, metric in METRICS.items():
            if key not in ("accuracy", "auc") and row.get(key) and row[key]["value"] is not None:
                expected[metric.key, row["attribution"]] = row[key]["value"]
    assert found == expected
    assert len(found) > 12
    assert {result.dataset_name for result in data.eval_results} == {"folder:moles"}


def test_the_tables_hold_the_runs_numbers(shared: Path, rows: list[dict[str, Any]]) -> None:
    """Read back from the text, to the last digit that is printed."""
    text = (shared / "README.md").read_text()
    head = next(line for line in text.splitlines() if line.startswith("| Saliency method"))
    names = [cell.strip() for cell in head.strip("|").split("|")]
    labels = {" ".join(metric.label.split()): metric for metric in METRICS.values()}
    checked = 0
    for row, name in zip(rows, ("Vanilla gradient", "Input × gradient"), strict=True):
        line = next(x for x in text.splitlines() if x.startswith(f"| {name} | SCAAT"))
        for label, cell in list(zip(names, line.strip("|").split("|"), strict=True))[2:]:
            metric = labels[label]
            stored = [row[metric.key][key] for key in ("value", "low", "high")]
            if None in stored or max(map(abs, stored)) * metric.scale >= 1000:
                continue  # unbounded, or rounded
            printed = re.findall(r"−?[\d.]+", cell)
            assert len(printed) == 3, cell
            for number, value in zip(printed, stored, strict=True):
                digits = len(number.partition(".")[2])
                shown = float(number.replace("−", "-"))
                assert abs(shown - value * metric.scale) <= 0.5001 * 10**-digits, (label, cell)
                checked += 1
    assert checked >= 24
    accuracy = rows[0]["accuracy"]
    assert f"{accuracy['value']:.3f}" in text
    assert f"\\[{accuracy['low']:.3f}, {accuracy['high']:.3f}\\]" in text


def test_names_format_nothing(shared: Path) -> None:
    html = rendered(shared)
    for name in CLASSES:
        shown = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert f"<td>{shown}</td>" in html
    assert "<b>" not in html
    assert 'href="x"' not in html
    assert "<em>" not in html


def test_no_path_goes_public(shared: Path) -> None:
    for path in (shared / "README.md", shared / "config.json"):
        text = path.read_text()
        assert "secret" not in text
        assert str(shared.parent) not in text
    assert "folder:moles" in (shared / "README.md").read_text()


def test_the_cards_code_runs_in_the_folder(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shared)
    (code,) = re.findall(r"```python\n(.*?)```", (shared / "README.md").read_text(), re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    assert namespace["maps"].shape == (2, 12, 12)
    said = capsys.readouterr().out
    assert any(repr(name) in said for name in CLASSES)
    assert "imports nets" in (shared / "README.md").read_text()


def test_pictures_are_the_reports(compared: Path, shared: Path) -> None:
    html = rendered(shared)
    for name in ("gradient", "input-x-gradient"):
        file = f"figures/examples-{name}.png"
        assert f'src="{file}"' in html
        assert (shared / file).read_bytes() == (compared / file).read_bytes()


def test_settings_and_citation_are_there(shared: Path) -> None:
    html = rendered(shared)
    for setting, value in {"method.steps": 1, "training.epochs": 1, "seed": 0}.items():
        assert f"<td>{setting}</td>\n<td>{value}</td>" in html
    assert "Saliency Constrained Adaptive" in html
    assert "licence" not in html


def test_a_training_alone_is_shared_without_results(compared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(compared / "models" / "scaat", run)
    config = (compared / "config.yaml").read_text().replace("command: compare", "command: train")
    (run / "config.yaml").write_text(config + "method: scaat\n")
    share_run(run, tmp_path / "out", repo_id="ann/moles", pictures=False)
    text = (tmp_path / "out" / "README.md").read_text()
    data = ModelCard(text).data
    assert data.eval_results is None
    assert data.license is None
    assert "# moles\n" in text
    assert "Nothing was measured" in text
    assert "load_shared(pull('ann/moles'))" in text
    assert not (tmp_path / "out" / "figures").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "has several models; expected a method: standard, scaat"),
        ({"method": "scat"}, r"unknown method.*did you mean 'scaat'"),
        ({"method": "scaat", "licence": "My own!"}, "expected one such as apache-2.0"),
        ({"method": "scaat", "repo_id": "moles"}, "expected user/name"),
        ({"method": "scaat", "repo_id": "../moles"}, "expected user/name"),
    ],
)
def test_refusals(options: dict[str, Any], message: str, compared: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        share_run(compared, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_other_folders_are_refused(compared: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected the folder of the whole run"):
        share_run(compared / "models" / "scaat", tmp_path / "out")
    with pytest.raises(InputError, match="expected the folder of a run"):
        share_run(tmp_path, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="expected a new or empty folder"):
        share_run(compared, tmp_path / "full", method="scaat")


def test_results_of_another_training_are_refused(compared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(compared, run)
    path = run / "models" / "scaat" / "training.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "train_seconds": 1e-3}))
    with pytest.raises(InputError, match="holds no results of the model"):
        share_run(run, tmp_path / "out", method="scaat")
    assert not (tmp_path / "out").exists()


def test_what_fails_leaves_nothing(compared: Path, tmp_path: Path) -> None:
    """A figure cannot be read: the model's files were written by then."""
    run = tmp_path / "run"
    shutil.copytree(compared, run)
    (run / "figures" / "examples-gradient.png").unlink()
    (run / "figures" / "examples-gradient.png").mkdir()
    with pytest.raises(WriteError, match="out' cannot be written"):
        share_run(run, tmp_path / "out", method="scaat")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("folder:/home/ann/moles", "folder:moles"),
        ("folder:/home/ann/moles/", "folder:moles"),
        ("parquet:C:\\ann\\moles", "parquet:moles"),
        ("webdataset:/d/moles-{00..09}.tar", "webdataset:moles-{00..09}.tar"),
        ("hf:ann/moles", "hf:ann/moles"),
        ("hf:/home/ann/moles", "hf:moles"),
        ("digits", "digits"),
        ("Moles: 2020/21", "Moles: 2020/21"),
    ],
)
def test_names_of_data_lose_their_folders(name: str, public: str) -> None:
    assert data_name(name) == public
