"""``scaat evaluate`` on what people have: test images alone, some classes, no labels."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.cli.inside import scaat
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from scaat.data import DataOptions, load_data
from scaat.models import build_model, load_model
from scaat.sharing import SharedModel, save_shared

QUICK = shlex.split(
    "--eval-images 4 --eval-aopc-steps 2 --eval-aopc-repeats 1 --eval-examples 2 "
    "--eval-bootstrap-resamples 100 --eval-attributions gradient"
)
CLASSES = ("normal", "tumour")
EACH = 3


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real patches of lymph nodes: ``test/CLASS`` alone, ``flat``, and one image of each class."""
    folder = tmp_path_factory.mktemp("tissue")
    test = load_data(DataOptions(data="tissue"), seed=0).test
    assert test.classes == CLASSES
    for label, name in enumerate(CLASSES):
        for number, row in enumerate((test.labels == label).nonzero()[:EACH, 0].tolist()):
            image = Image.fromarray(test.pixels([row])[0].permute(1, 2, 0).numpy())
            places = [folder / "parts" / "test" / name, folder / "flat"]
            places += [folder / "single" / name] * (number == 0)
            for place in places:
                place.mkdir(parents=True, exist_ok=True)
                image.save(place / f"{name}-{number}.png")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of five classes."""
    torch.manual_seed(1)
    model = build_model("nets:tiny", num_classes=5, image_size=(48, 48), mean=None, std=None)
    path = tmp_path_factory.mktemp("weights") / "five.pt"
    torch.save(model.get_submodule("network").state_dict(), path)
    return path


def checkpoint(weights: Path) -> list[str]:
    return [str(weights), "--model", "nets:tiny", "--normalisation", "none", *QUICK]


def row(out: Path) -> dict[str, Any]:
    (only,) = json.loads((out / "results.json").read_text())["rows"]
    return only


def images(tissue: Path) -> tuple[Tensor, Tensor]:
    files = sorted((tissue / "parts" / "test").rglob("*.png"))
    pixels = torch.stack([torch.from_numpy(np.array(Image.open(f))) for f in files])
    return pixels.permute(0, 3, 1, 2) / 255, torch.tensor([0] * EACH + [1] * EACH)


def logits(weights: Path, batch: Tensor) -> Tensor:
    model = load_model(
        weights, "nets:tiny", num_classes=5, image_size=(48, 48), mean=None, std=None
    )
    with torch.no_grad():
        return model(batch)


@pytest.mark.parametrize("outputs", [(3, 1), (0, 4)])
def test_a_test_part_alone_and_some_of_the_outputs(
    outputs: tuple[int, int], tissue: Path, weights: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "outputs.txt", tmp_path / "out"
    file.write_text("\n".join(map(str, outputs)) + "\n")
    data = ["--data", f"folder:{tissue / 'parts'}", "--classes-file", file, "--out", out]
    done = scaat("evaluate", *checkpoint(weights), *data)
    assert done.status == 0, done.err
    batch, labels = images(tissue)
    correct = logits(weights, batch)[:, outputs].argmax(1) == labels
    assert row(out)["accuracy"]["value"] == pytest.approx(float(correct.double().mean()))
    assert row(out)["accuracy"]["n"] == 2 * EACH
    assert row(out)["entropy"]["n"] == 4
    assert json.loads((out / "results.json").read_text())["classes"] == list(CLASSES)


@pytest.mark.parametrize("labelled", [True, False])
def test_one_label_of_a_multilabel_head(labelled: bool, tissue: Path, tmp_path: Path) -> None:
    """Of timm's: accuracy, AUC and decay are those of the sigmoid of the chosen output."""
    name, chosen, out = "timm:test_resnet", 3, tmp_path / "out"
    torch.manual_seed(2)
    model = build_model(name, num_classes=5, image_size=(48, 48), mean=None, std=None)
    torch.save(model.get_submodule("network").state_dict(), tmp_path / "timm.pt")
    file = tmp_path / "label.txt"
    file.write_text(f"{chosen}\n")
    data = [
        "--data",
        f"folder:{tissue / ('parts' if labelled else 'flat')}",
        "--classes-file",
        file,
    ]
    options = ["--model", name, "--normalisation", "none", *QUICK, "--out", out]
    done = scaat("evaluate", tmp_path / "timm.pt", *options, *data)
    assert done.status == 0, done.err
    batch, labels = images(tissue)
    with torch.no_grad():
        z = model.eval()(batch)[:, chosen]
    with np.load(out / "examples.npz") as examples:
        shown, probability = torch.from_numpy(examples["images"]) / 255, examples["0/probability"]
    with torch.no_grad():
        confident = model(shown)[:, chosen].abs().sigmoid()
    np.testing.assert_allclose(probability, confident, atol=1e-5)
    if labelled:
        right = (z > 0) == (labels == 1)
        assert row(out)["accuracy"]["value"] == pytest.approx(float(right.double().mean()))
        assert row(out)["auc"]["value"] == pytest.approx(float(binary_auroc(z, labels)))
    else:
        names = json.loads((out / "results.json").read_text())["classes"]
        assert names == ["not 3", "3"]


def test_names_of_a_shared_models_outputs(tissue: Path, weights: Path, tmp_path: Path) -> None:
    names = ("fat", "tumour", "1", "normal", "stroma")
    architecture = {"name": "nets:tiny", "num_classes": 5, "image_size": (48, 48)}
    architecture |= {"mean": None, "std": None}
    model = build_model(**architecture)
    model.get_submodule("network").load_state_dict(torch.load(weights))
    save_shared(SharedModel(model, architecture, names), tmp_path / "shared")
    file, out = tmp_path / "outputs.txt", tmp_path / "out"
    file.write_text("normal\ntumour")
    data = ["--data", f"folder:{tissue / 'parts'}", *QUICK, "--out", out]
    refused = scaat("evaluate", tmp_path / "shared", *data)
    assert refused.status == 2
    assert "its classes is ('normal', 'tumour')" in refused.err
    assert not out.exists()
    done = scaat("evaluate", tmp_path / "shared", *data, "--classes-file", file)
    assert done.status == 0, done.err
    batch, labels = images(tissue)
    correct = logits(weights, batch)[:, [3, 1]].argmax(1) == labels
    assert row(out)["accuracy"]["value"] == pytest.approx(float(correct.double().mean()))


def test_images_without_labels(tissue: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    data = ["--data", f"folder:{tissue / 'flat'}", "--out", out]
    done = scaat("evaluate", *checkpoint(weights), *data)
    assert done.status == 0, done.err
    assert row(out)["accuracy"] is None
    assert row(out)["auc"] is None
    assert row(out)["aopc_lerf"]["n"] == 4
    with np.load(out / "examples.npz") as examples:
        shown = torch.from_numpy(examples["images"]) / 255
        predicted = examples["0/predicted"]
    assert predicted.tolist() == logits(weights, shown).argmax(1).tolist()
    page = (out / "report.html").read_text()
    assert "unlabelled" in page
    assert not {"✓", "✗"} & set(page)
    assert "4 test images" in page


def test_one_image_of_each_class_needs_no_split(
    tissue: Path, weights: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "outputs.txt", tmp_path / "out"
    file.write_text("0\n1")
    data = ["--data", f"folder:{tissue / 'single'}", "--classes-file", file, "--out", out]
    refused = scaat("evaluate", *checkpoint(weights), *data)
    assert refused.status == 2
    assert "too few images (1) to be split" in refused.err
    assert "--split all" in refused.err
    assert not out.exists()
    done = scaat("evaluate", *checkpoint(weights), *data, "--split", "all")
    assert done.status == 0, done.err
    assert row(out)["accuracy"]["n"] == 2


@pytest.mark.parametrize("part", ["", "test"])
@pytest.mark.parametrize("more", [[], ["--split", "all"], ["--classes-file", "outputs.txt"]])
def test_images_of_one_class_are_refused_at_the_start(
    part: str,
    more: list[str],
    tissue: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("outputs.txt").write_text("3\n")
    shutil.copytree(tissue / "parts" / "test" / "tumour", tmp_path / "one" / part / "tumour")
    data = ["--data", "folder:one", "--out", "out"]
    done = scaat("evaluate", *checkpoint(weights), *data, *more)
    assert done.status == 2
    assert "data 'folder:one' have the class 'tumour' alone; expected two or more" in done.err
    assert not Path("out").exists()
    if not part and not more:  # what the message proposes
        data[1] = "folder:one/tumour"
        done = scaat("evaluate", *checkpoint(weights), *data)
        assert done.status == 0, done.err


def test_all_takes_every_part(tissue: Path, weights: Path, tmp_path: Path) -> None:
    shutil.copytree(tissue / "parts" / "test", tmp_path / "data" / "test")
    shutil.copytree(tissue / "single", tmp_path / "data" / "train")
    options = DataOptions(data=f"folder:{tmp_path / 'data'}")
    splits = load_data(options, seed=0, test_only=True, everything=True)
    assert len(splits.test) == 2 * EACH + 2
    assert len(splits.train) == len(splits.validation) == 0
    assert splits.test.labels.bincount().tolist() == [EACH + 1, EACH + 1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("0\n1\n2", "names 3 outputs and the data have 2 classes; expected one line for each of"),
        ("0\n5", "line 2 of classes file"),
        ("0\ntumour", "is 'tumour'; expected a number from 0 to 4"),
        ("1\n1", "names output 1 again"),
        ("\n", "names no output; expected one or more"),
    ],
)
def test_a_wrong_classes_file_is_refused(
    lines: str, message: str, tissue: Path, weights: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "outputs.txt", tmp_path / "out"
    file.write_text(lines)
    data = ["--data", f"folder:{tissue / 'parts'}", "--classes-file", file, "--out", out]
    done = scaat("evaluate", *checkpoint(weights), *data)
    assert done.status == 2
    assert message in done.err
    assert done.err.count("error:") == 1
    assert not out.exists()


def test_weights_of_another_head_are_refused(tissue: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = scaat(
        "evaluate", *checkpoint(weights), "--data", f"folder:{tissue / 'parts'}", "--out", out
    )
    assert done.status == 2
    assert "does not fit nets:tiny with 2 classes" in done.err
    assert "--classes-file" in done.err
    assert not out.exists()


def test_what_needs_labels_is_refused_without(tissue: Path, weights: Path, tmp_path: Path) -> None:
    data = ["--data", f"folder:{tissue / 'flat'}", "--out", tmp_path / "out"]
    done = scaat("evaluate", *checkpoint(weights), *data, "--eval-also-measure", "calibration")
    assert done.status == 2
    assert "calibration is to be measured, but the images have no labels" in done.err
    assert not (tmp_path / "out").exists()


def test_images_without_labels_cannot_train(tissue: Path, tmp_path: Path) -> None:
    done = scaat("train", "--data", f"folder:{tissue / 'flat'}", "--out", tmp_path / "out")
    assert done.status == 2
    assert "holds no folders; expected a folder for each class" in done.err
