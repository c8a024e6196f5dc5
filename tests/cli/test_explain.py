"""``scaat explain`` as a user runs it: from images and models to pictures, or one sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.samples import mnist

import nets
from scaat.attribution import attributions
from scaat.cli import main
from scaat.cli.models import run_source
from scaat.data import DataOptions, load_data, to_float
from scaat.explain import explain
from scaat.models import build_model
from scaat.training import load_trained

Run = Callable[..., tuple[int, str]]
KNOWN = ["--model", "nets:vit", "--image-size", "12", "--normalisation"]


def draw(path: Path, size: tuple[int, int] = (12, 12), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images of 12 x 12 pixels in two classes."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(40):
        draw(folder / ("left", "right")[number % 2] / f"{number}.png", seed=number)
    return folder


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trained models."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        for method in ("standard", "scaat"):
            options = ["--method", method, "--data", f"folder:{data}", "--model", "nets:tiny"]
            options += ["--epochs", "1", "--batch-size", "16", "--precision", "32"]
            options += ["--scaat.weight", "5", "--scaat.search-interval", "1"]
            arguments = ["scaat", "train", "--out", str(folder / method), *options]
            patch.setattr(sys, "argv", arguments)
            main()
    return folder


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "vit.pt"
    torch.save({"state_dict": nets.vit(3, (12, 12)).state_dict()}, path)
    return path


def listing(out: Path) -> list[dict[str, object]]:
    return json.loads((out / "explanations.json").read_text())["explanations"]


def test_runs_side_by_side(runs: Path, data: Path, tmp_path: Path, scaat: Run) -> None:
    out = tmp_path / "out"
    images = [data / "left", data / "right" / "[13].png"]
    models = ["--run", runs / "standard", "--run", runs / "scaat"]
    status, said = scaat(
        "explain", *images, *models, "--attributions", "gradient,random", "--out", out
    )
    assert status == 0, said
    assert "and 4 more, in explanations.json" in said  # a line for each image and model
    records = listing(out)
    assert len(records) == (20 + 2) * 2 * 2
    assert {record["model"] for record in records} == {"standard", "scaat"}
    assert {record["predicted"] for record in records} <= {"left", "right"}
    assert [path.name for path in sorted(out.glob("*.png"))] == ["sheet-1.png", "sheet-2.png"]
    assert not list(out.rglob("*.part"))
    for record in records[::7]:  # across batches: the random maps keep their numbers
        source = run_source(runs / str(record["model"]))
        pixels = np.asarray(Image.open(str(record["file"])))
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
        probabilities = source.model(image).detach().softmax(1)[0]
        assert source.classes[int(probabilities.argmax())] == record["predicted"]
        assert record["probability"] == pytest.approx(float(probabilities.max()), abs=1e-5)
        files = list(dict.fromkeys(r["file"] for r in records))
        expected = attributions[str(record["attribution"])](
            source.model,
            image,
            probabilities.argmax()[None],
            image_ids=torch.tensor([files.index(record["file"])]),
        )
        actual = np.load(out / str(record["map"]))
        np.testing.assert_allclose(actual, expected[0].numpy(), rtol=1e-4, atol=1e-6)


def test_a_comparison_stands_for_all_its_models(
    runs: Path, data: Path, tmp_path: Path, scaat: Run
) -> None:
    folder = tmp_path / "compared"
    (folder / "models").mkdir(parents=True)
    (folder / "config.yaml").write_text("command: compare\nmethods: [standard, scaat]\n")
    for method in ("scaat", "standard"):
        (folder / "models" / method).symlink_to(runs / method)
    out = tmp_path / "out"
    status, said = scaat("explain", data / "left" / "0.png", "--run", folder, "--out", out)
    assert status == 0, said
    assert [record["model"] for record in listing(out)] == ["standard", "scaat"]


def test_a_transformer_from_a_checkpoint_and_another_class(
    checkpoint: Path, data: Path, tmp_path: Path, scaat: Run
) -> None:
    """Class names are whatever they are; the class to explain goes by name."""
    names = tmp_path / "names.txt"
    names.write_text("[red]a[/red]\n<script>\n3\n\n", encoding="utf-8")
    out = tmp_path / "out"
    options = ["--classes", names, "--target", "<script>", *KNOWN, "0.5,0.4,0.3,0.2,0.3,0.4"]
    status, said = scaat(
        "explain", data / "left" / "0.png", "--checkpoint", checkpoint, *options, "--out", out
    )
    assert status == 0, said
    (record,) = listing(out)
    assert record["model"] == "vit.pt"
    assert record["explained"] == "<script>"
    assert str(record["predicted"]) in said  # square brackets and all
    model = build_model(
        "nets:vit", num_classes=3, image_size=(12, 12), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)
    ).eval()
    model.network.load_state_dict(torch.load(checkpoint)["state_dict"])
    pixels = np.asarray(Image.open(data / "left" / "0.png"))
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    expected = attributions["gradient"](model, image, torch.tensor([1]))[0]
    np.testing.assert_allclose(np.load(out / str(record["map"])), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", ["small-resnet", "nets:any_channels"])
def test_maps_of_grey_data_are_those_that_evaluate_measures(
    network: str, tmp_path: Path, scaat: Run
) -> None:
    data = DataOptions(f"mnist:{mnist(tmp_path / 'set')}", validation_fraction=0.25)
    run, out = tmp_path / "run", tmp_path / "out"
    options = ["--model", network, "--epochs", 1, "--batch-size", 16, "--precision", 32]
    options += ["--validation-fraction", 0.25, "--method", "standard", "--data", data.data]
    status, said = scaat("train", "--out", run, *options)
    assert status == 0, said
    images = to_float(load_data(data, seed=0).test.pixels(range(3)))
    assert images.shape[1] == 1
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray((image[0] * 255).round().byte().numpy()).save(path)
    methods = ["gradient", "integrated-gradients", "smoothgrad", "random"]
    status, said = scaat(
        "explain", *paths, "--run", run, "--attributions", ",".join(methods), "--out", out
    )
    assert status == 0, said
    expected = explain(load_trained(run).model, images, methods).maps
    for record in listing(out):
        number = paths.index(Path(str(record["file"])))
        actual = np.load(out / str(record["map"]))
        wanted = expected[str(record["attribution"])][number].numpy()
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6)


def test_resizing_is_refused_or_said(runs: Path, tmp_path: Path, scaat: Run) -> None:
    photo = draw(tmp_path / "photo.png", (20, 30))
    arguments = ["explain", photo, "--run", runs / "scaat", "--out", tmp_path / "out"]
    status, said = scaat(*arguments)
    assert status == 2
    assert "photo.png' is 20x30 and the model takes 12x12" in said
    assert not (tmp_path / "out").exists()
    status, said = scaat(*arguments, "--resize", "stretch")
    assert status == 0, said
    (record,) = listing(tmp_path / "out")
    assert record["resize"] == "stretch"
    assert record["file_size"] == [20, 30]
    assert np.load(tmp_path / "out" / str(record["map"])).shape == (12, 12)


def refused(scaat: Run, out: Path, message: str, *arguments: object) -> None:
    """The command says one sentence, ends with status 2 and writes nothing."""
    status, said = scaat("explain", *arguments, "--out", out)
    assert status == 2, said
    assert message in said
    assert "Traceback" not in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attributions", "gradient,oracle"], "model 'scaat': attribution 'oracle'"),
        (["--attributions", "grad-cam", "--layer", "network.9"], "no layer 'network.9'"),
        (["--target", "lift"], "unknown class of"),
        (["--target", "2"], "unknown class of"),
        (["--resize", "squeeze"], "'squeeze' is not one of"),
        (["nowhere.png"], "image 'nowhere.png' does not exist"),
        (["*.gif"], "pattern '*.gif' matches no file"),
        (["--run", "."], "has no model.pt: expected a finished run"),
        (["--model", "resnet18"], "1 networks (--model) are given for 0 checkpoints"),
    ],
)
def test_bad_options_beside_a_good_run(
    options: Sequence[str],
    message: str,
    runs: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scaat: Run,
) -> None:
    monkeypatch.chdir(tmp_path)
    image = data / "left" / "0.png"
    refused(scaat, tmp_path / "out", message, image, "--run", runs / "scaat", *options)


def test_bad_files_are_named(runs: Path, data: Path, tmp_path: Path, scaat: Run) -> None:
    out = tmp_path / "out"
    (tmp_path / "text.png").write_text("no image")
    refused(scaat, out, "text.png' cannot be read", tmp_path, "--run", runs / "scaat")
    frames = [Image.new("RGB", (12, 12), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    image = tmp_path / "moving.gif"
    refused(scaat, out, "moving.gif' has 2 frames", image, "--run", runs / "scaat")
    image = data / "left" / "0.png"
    refused(scaat, out, "no model is given", image)
    refused(scaat, out, "given twice", image, *["--run", runs / "scaat"] * 2)
    cut = tmp_path / "run"
    cut.mkdir()
    (cut / "model.pt").write_bytes((runs / "scaat" / "model.pt").read_bytes()[:-100])
    refused(scaat, out, "model.pt' is damaged, truncated", image, "--run", cut)
    out.mkdir()
    (out / "mine.txt").touch()
    status, said = scaat("explain", image, "--run", runs / "scaat", "--out", out)
    assert status == 2
    assert "expected a new or empty folder" in said
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "3", *KNOWN[2:], "none"], "needs --model"),
        ([*KNOWN, "none"], "needs --classes"),
        (["--classes", "3", *KNOWN[:2], "--normalisation", "none"], "needs --image-size"),
        (["--classes", "3", *KNOWN[:4]], "needs --normalisation"),
        (["--classes", "4", *KNOWN, "none"], "heads.head.weight has shape (3, 16), expected (4"),
        (["--classes", "0", *KNOWN, "none"], "neither a number above 0 nor a file"),
        (["--classes", "3", *KNOWN, "0.5"], "'0.5' is neither imagenet nor none nor six numbers"),
        (["--classes", "3", *KNOWN, "1,1,1,0,1,1"], "is neither imagenet nor none nor six"),
        (["--classes", "3", "--image-size", "12x", *KNOWN[:2]], "'12x' is no size"),
        (["--classes", "3", "--model", "nets:four", *KNOWN[2:], "none"], "(2, 4) for two images"),
        (["--classes", "3", "--model", "nets:nan", *KNOWN[2:], "none"], "0.png' are not finite"),
    ],
)
def test_bad_options_of_a_checkpoint(
    options: Sequence[str],
    message: str,
    checkpoint: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scaat: Run,
) -> None:
    def four(num_classes: int) -> torch.nn.Module:
        return nets.plain(4)

    def nan(num_classes: int) -> torch.nn.Module:
        network = nets.plain(num_classes)
        torch.nn.init.constant_(network[2].weight, float("nan"))
        return network

    for factory in (four, nan):
        monkeypatch.setattr(nets, factory.__name__, factory, raising=False)
        if f"nets:{factory.__name__}" in options:
            torch.save(factory(3).state_dict(), checkpoint)
    image = data / "left" / "0.png"
    refused(scaat, tmp_path / "out", message, image, "--checkpoint", checkpoint, *options)
