"""``scaat reproduce`` as a user runs it, on a scale of its own that takes seconds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.inside import scaat

from scaat.objectives import objectives
from scaat.studies.paper import SCALES, Scale
from scaat.training import TrainingOptions

MODELS = ("nets:tiny", "nets:plain")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Scale:
    """The scale small with few images, one epoch and small networks."""
    few = {"images": 4, "aopc_steps": 2, "aopc_repeats": 1, "examples": 2}
    sources = tuple(
        replace(
            source,
            data=replace(source.data, train_limit=24, image_size=16),
            models=MODELS,
            training=TrainingOptions(epochs=1, batch_size=8, precision="32"),
            scaat={**source.scaat, "steps": 1},
            evaluation=replace(source.evaluation, **few, bootstrap_resamples=100),
        )
        for source in SCALES["small"].sources
    )
    scale = replace(SCALES["small"], sources=sources)
    monkeypatch.setitem(SCALES, "small", scale)
    return scale


@pytest.mark.slow
def test_experiments_share_their_trainings(quick: Scale, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = scaat("reproduce", "table1", "table3", "--out", out, "--json")
    assert done.status == 0, done.err
    assert done.document["files"] == ["table1.md", "table3.md"]
    trained = {path.name for path in (out / "trials").iterdir()}
    assert len(trained) == 2 * 4  # two sources by standard, saliency-guided, SCAAT and FGSM
    text = (out / "table1.md").read_text()
    for said in ("## Table 1: digits, nets:tiny, seed 0", "## Table 1: lesions", "(960)", "(1030)"):
        assert said in text
    # A ratio may be undefined after one epoch.
    undefined = r"(?: \((\d+) more are undefined: LeRF is not above zero\))?"
    told = (
        rf"Of the paper's (\d+) comparisons{undefined}"
        r" SCAAT has the best value in (\d+); there, in all"
    )
    counted = [tuple(int(n or 0) for n in actual) for actual in re.findall(told, text)]
    assert [9 <= of <= 12 for of, _, _ in counted] == [True, True]
    assert [of + undefined for of, undefined, _ in counted] == [12, 12]
    # Of three values under a saliency method SCAAT's is the last; the best, or several, are bold.
    compared = ("| Saliency entropy", "| Compressed size", "| AOPC LeRF", "| AOPC ratio ↑")
    for section, (_, _, won) in zip(text.split("\n## ")[1:], counted, strict=True):
        lines = [line for line in section.splitlines() if line.startswith(compared)]
        cells = [line.split("|")[2:11] for line in lines]
        groups = [row[i : i + 3] for row in cells for i in (0, 3, 6)]
        defined = [group for group in groups if "LeRF ≤ 0" not in "".join(group)]
        bold = [["**" in cell for cell in group] for group in defined]
        assert bold.count([False, False, True]) == won
    # The first of the digits' rows: nine values, each beside the paper's but for Gini and MoRF.
    rows = [line for line in text.splitlines() if line.startswith("| AOPC LeRF")]
    assert all(line.count("(") == 9 + 1 for line in rows)
    assert "(2.5×)" in (out / "table3.md").read_text()

    stamps = {name: (out / "trials" / name / "model.pt").stat().st_mtime_ns for name in trained}
    again = scaat("reproduce", "table2", "figure2", "figure3", "--out", out, "--resume", "--json")
    assert again.status == 0, again.err
    for name, stamp in stamps.items():
        assert (out / "trials" / name / "model.pt").stat().st_mtime_ns == stamp
    assert "(0.933)" in (out / "table2.md").read_text()
    for name in again.document["files"]:
        assert (out / name).stat().st_size > 200
    names = [name for name in again.document["files"] if name.endswith(".png")]
    assert [name for name in names if name.startswith("figures/figure2-digits")] == [
        "figures/figure2-digits-entropy-seed-0.png",
        "figures/figure2-digits-curves-seed-0.png",
    ]
    assert [name for name in names if name.startswith("figures/figure3-lesions")] == [
        "figures/figure3-lesions-examples-gradient-seed-0.png",
        "figures/figure3-lesions-proportions-scaat-seed-0.png",
    ]
    for name in names:
        assert f"]({name})" in (out / f"{Path(name).name.split('-')[0]}.md").read_text()


@pytest.mark.slow
def test_ablations_are_of_one_source(quick: Scale, tmp_path: Path) -> None:
    done = scaat("reproduce", "ablations", "--out", tmp_path / "out", "--seeds", "3", "--json")
    assert done.status == 0, done.err
    text = (tmp_path / "out" / "ablations.md").read_text()
    assert "## Ablations: digits, nets:tiny, seed 3" in text
    assert "lesions" not in text
    assert text.count("| 10 |") == 0
    assert sum(line.startswith("| ") for line in text.splitlines()) == 2 + 11


@pytest.mark.slow
def test_baselines_are_all_objectives_smoothed_features_and_scaat_fast(
    quick: Scale, tmp_path: Path
) -> None:
    done = scaat("reproduce", "baselines", "--out", tmp_path / "out", "--json")
    assert done.status == 0, done.err
    sections = (tmp_path / "out" / "baselines.md").read_text().split("## ")[1:]
    for section, localised in zip(sections, (False, True), strict=True):
        lines = [line for line in section.splitlines() if line.startswith("| ")]
        assert len(lines) == 2 + len(objectives) + 2
        head, _, *trainings = lines
        for column in ("ratio, 2 x 2", "Lattice", "PGD 8/255", "ECE", "Time"):
            assert column in head
        assert ("Energy" in head) == localised
        assert [line.rstrip(" |")[-1] for line in trainings] == ["×"] * (len(objectives) + 2)
        assert sum("smoothed features" in line for line in trainings) == 1
        assert sum("SCAAT, fast" in line for line in trainings) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["table1", "--scale", "medium"], "scale 'medium' needs images of your own"),
        (["table1", "--scale", "full", "--data", "cifar=x"], "did you mean 'cifar10'?"),
        (["table1", "--scale", "full", "--data", "cifar10"], "expected cifar10=PLACE"),
        (["table4"], "did you mean 'table"),
        (["table1", "--resume"], "has no reproduce.yaml"),
        (["table1", "--seeds", "0,0"], "is no list of different seeds"),
        (["table1", "--scale", "full", "--data", "cifar10=digitz"], "unknown data set 'digitz'"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = scaat("reproduce", *arguments, "--out", tmp_path / "out")
    assert done.status == 2
    assert said in " ".join(done.err.split())
    assert not list(tmp_path.glob("out/*"))


def test_scales_do_not_mix(quick: Scale, tmp_path: Path) -> None:
    (tmp_path / "reproduce.yaml").write_text("scale: medium\n")
    done = scaat("reproduce", "table1", "--out", tmp_path, "--resume")
    assert done.status == 2
    assert "holds experiments of another scale than 'small'" in done.err
