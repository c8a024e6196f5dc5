"""``scaat cost`` inside this process, on a network of a few weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from tests.cli.inside import scaat, write_images

from scaat.cli.options import VARIANT
from scaat.objectives import objectives

QUICK = ["--model", "nets:tiny", "--batch-size", 4, "--image-size", 8, "--precision", "32"]
QUICK += ["--rounds", 2, "--turn-seconds", 0]


def test_settings_of_one_method_side_by_side(tmp_path: Path) -> None:
    out = tmp_path / "cost"
    done = scaat(
        "cost", *QUICK, "--scaat.weight", 5, "--scaat.search-interval", 1,
        "--variant", "scaat:steps=1", "--variant", "scaat:steps=4,epsilon=8/255,adaptive=no",
        "--out", out, "--json",
    )  # fmt: skip
    assert done.status == 0, done
    actual = done.document
    labels = ["standard", "scaat:steps=1", "scaat:steps=4,epsilon=8/255,adaptive=no"]
    assert [cost["label"] for cost in actual["costs"]] == labels
    _, few, many = actual["costs"]
    assert few["options"]["steps"] == 1
    assert few["options"]["adaptive"] is True
    changed = {"steps": 4, "epsilon": 8 / 255, "adaptive": False, "weight": 5}
    assert many["options"] | changed == many["options"]
    assert (few["passes"]["forward"], many["passes"]["forward"]) == (3, 6)
    assert many["pass_ratio"] > few["pass_ratio"] > 1
    assert actual["settings"]["image_size"] == [8, 8]
    assert actual["settings"]["batch_size"] == 4
    assert actual["environment"]["device"] == "cpu"
    written = json.loads((out / "cost.json").read_text())
    assert written == {"schema": 1, **{key: actual[key] for key in written if key != "schema"}}
    assert {path.name for path in out.iterdir()} == {"cost.json", "cost.md", "cost.png"}
    table = [line for line in (out / "cost.md").read_text().splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0][2:] for line in table] == ["method", "---", *labels]
    assert len({line.count("|") for line in table}) == 1
    with Image.open(out / "cost.png") as figure:
        assert figure.width > figure.height > 400


def test_methods_print_a_table_and_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "90")  # so small a network makes many images a second
    done = scaat("cost", *QUICK)
    assert done.status == 0, done
    assert "nets:tiny, 4 images of 8 x 8 pixels, 32-true on cpu" in done.out
    rows = [line.split() for line in done.out.splitlines() if line[1:2].isalpha()]
    assert [row[0] for row in rows if row[0] in objectives] == [
        "standard", "saliency-guided", "scaat"
    ]  # fmt: skip
    assert max(len(line) for line in done.out.splitlines() if "Passes are" not in line) <= 90
    assert not list(tmp_path.iterdir())


def test_real_images_and_a_configuration(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", ("a", 10), ("b", 10), ("c", 10))
    file = tmp_path / "c.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "methods": ["scaat"],
                "data": {"data": f"folder:{folder}"},
                "training": {"batch_size": 100},
                "objectives": {
                    "scaat": {"steps": 2, "weight": 5, "epsilon": "32/255", "search_interval": 1}
                },
            }
        )
    )
    done = scaat(
        "cost", "--config", file, "--model", "nets:tiny", "--rounds", 1, "--turn-seconds", 0,
        "--json",
    )  # fmt: skip
    assert done.status == 0, done
    settings, (standard, method) = done.document["settings"], done.document["costs"]
    assert (settings["classes"], settings["image_size"]) == (3, [12, 12])
    assert settings["batch_size"] == 21  # of 30 images those that train
    assert standard["method"] == "standard"
    assert method["options"]["epsilon"] == 32 / 255
    assert method["passes"]["forward"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variant", "scaat:stesp=1"], "method 'scaat' has no option 'stesp' (did you mean 'st"),
        (["--variant", "scaat:steps"], "has 'steps', expected NAME=VALUE"),
        (["--variant", "scaat:"], "has '', expected NAME=VALUE"),
        (["--variant", "scaat:steps=1,steps=2"], "gives 'steps' twice"),
        (["--variant", "scaat:steps=x"], "has a wrong steps: 'x' is not a valid integer"),
        (["--variant", "scaat:epsilon=-1"], "epsilon is -1.0, expected"),
        (["--variant", "scaat", "--variant", "scaat"], "two variants are called 'scaat'"),
        (["--data", "digits", "--classes", "3"], "--classes goes with random images"),
        (["--rounds", "0"], "--rounds"),
        (["--turn-seconds", "-1"], "turn_seconds is -1.0"),
        (["--out", "full"], "exists already"),
    ],
)
def test_wrong_options_end_in_a_sentence(
    arguments: list[Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    done = scaat("cost", "--batch-size", 4, *arguments)
    assert done.status == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_values_are_read_as_the_methods_options_are() -> None:
    read = VARIANT.convert("scaat: step-size=1/4, region_size = 2", None, None)
    assert (read.method, read.options) == ("scaat", {"step_size": 0.25, "region_size": 2})
    assert VARIANT.convert("standard", None, None).options == {}
