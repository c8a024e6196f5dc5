"""The recipes in examples/recipes, each on small files of the format that it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.cli.inside import scaat, write_images
from tests.data.samples import cifar10, imagenet, pcam, published

RECIPES = Path(__file__).parents[2] / "examples" / "recipes"


def class_folders(folder: Path) -> Path:
    return write_images(folder, ("cat", 20), ("dog", 20), size=(64, 64))


DATA: dict[str, tuple[str, Callable[[Path], Path], tuple[str, ...]]] = {
    "cifar10": ("cifar10", cifar10, ()),
    "cifar10-fast": ("cifar10", cifar10, ()),
    "imagenet": ("imagenet", imagenet, ()),
    "own-folder": ("folder", class_folders, ()),
    "pcam": ("pcam", pcam, ()),
    # Class folders have no boxes.
    "tiny-imagenet": ("folder", class_folders, ("--no-inclusive-boxes",)),
}


def test_every_recipe_is_tried() -> None:
    assert {path.stem for path in RECIPES.iterdir()} == set(DATA)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DATA))
def test_a_recipe_is_a_plan_that_can_be_carried_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, write, flags = DATA[name]
    recipe = RECIPES / f"{name}.yaml"
    asked = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    place = write(tmp_path / "data")
    if kind == "cifar10":
        published(monkeypatch, place)
    done = scaat(
        "compare", "--config", recipe, "--data", f"{kind}:{place}", *flags, "--dry-run",
        "--batch-size", "2", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    for key in ("model", "epochs"):
        assert done.document[key] == asked["training"][key]
    assert not (tmp_path / "out").exists()
