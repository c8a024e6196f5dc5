"""What is exported predicts the same in other programs, for any number of images, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nets
from scaat.errors import InputError
from scaat.models import build_model
from scaat.sharing import SharedModel, export_model
from scaat.sharing.exporting import TOLERANCE

RGB = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
MODELS: dict[str, dict[str, Any]] = {
    "small-resnet": {"name": "small-resnet", "image_size": (16, 20), **RGB},
    "small-vgg": {"name": "small-vgg", "image_size": (15, 20), **RGB},
    "fast-cnn": {"name": "fast-cnn", "image_size": (15, 20), **RGB},
    "resnet18": {"name": "torchvision:resnet18", "image_size": (64, 64), **RGB},
    "vit": {"name": "timm:vit_tiny_patch16_224", "image_size": (32, 32), **RGB},
    "grey": {
        "name": "small-resnet",
        "image_size": (16, 16),
        "mean": (0.5,),
        "std": (0.25,),
        "channels": 1,
    },
    "shrunk": {"name": "nets:vit", "image_size": (24, 24), "input_size": (12, 12), **RGB},
}


def made(architecture: dict[str, Any]) -> SharedModel:
    torch.manual_seed(0)
    known = {**architecture, "num_classes": 3}
    model = build_model(**known)
    images = torch.rand(8, known.get("channels", 3), *known["image_size"])
    with torch.no_grad():
        model.train()(images)
    model.to(memory_format=torch.channels_last).eval()
    return SharedModel(model, known, ("<a>", "b\u00e9", "c"), "scaat")


def answers(shared: SharedModel, images: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        logits = shared.model(images)
    return logits, logits.softmax(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_onnx(name: str, tmp_path: Path) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    if name == "vit":
        pytest.importorskip("timm")
    shared = made(MODELS[name])
    shape = (shared.channels, *shared.image_size)
    path = tmp_path / "model.onnx"
    real = torch.rand(7, *shape)
    difference = export_model(shared, path, "onnx", probabilities=True, images=real)
    assert difference <= TOLERANCE
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]  # no weights beside it
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 5, 13):
        images = torch.rand(count, *shape)
        logits, probabilities = session.run(["logits", "probabilities"], {"images": images.numpy()})
        for found, expected in zip((logits, probabilities), answers(shared, images), strict=True):
            np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=2e-5)
    (entry,) = session.get_inputs()
    assert (entry.type, entry.shape[1:]) == ("tensor(float)", list(shape))
    known = session.get_modelmeta().custom_metadata_map
    assert json.loads(known["classes"]) == list(shared.classes)
    assert json.loads(known["input"]) == {
        "channels": shape[0],
        "height": shape[1],
        "width": shape[2],
        "range": [0, 1],
    }
    assert json.loads(known["architecture"]) == shared.name
    assert b".py" not in path.read_bytes()  # no trace with this machine's paths


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small-resnet", "grey", "shrunk"])
def test_torch_export(name: str, tmp_path: Path) -> None:
    shared = made(MODELS[name])
    path = tmp_path / "model.pt2"
    assert export_model(shared, path, "torch-export") <= TOLERANCE
    extra = {"scaat.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    for count in (1, 5):
        images = torch.rand(count, shared.channels, *shared.image_size)
        (found,) = program(images)
        torch.testing.assert_close(found, answers(shared, images)[0])
    assert json.loads(extra["scaat.json"])["classes"] == list(shared.classes)
    assert b".py" not in path.read_bytes()  # no trace with this machine's paths


@pytest.mark.slow
def test_the_model_stays_as_it_is(tmp_path: Path) -> None:
    shared = made(MODELS["grey"])
    model = shared.model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    export_model(shared, tmp_path / "model.pt2", "torch-export")
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Otherwise(nn.Module):
    """Answers a little otherwise while it is exported."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.body = nets.plain(3)
        self.shift = shift

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.body(images)
        return logits + self.shift if torch.compiler.is_compiling() else logits


class Choosy(nn.Module):
    """Asks for a value, which no exporter can know."""

    def forward(self, images: Tensor) -> Tensor:
        if images.sum() > 1e9:
            return images.mean((2, 3))
        return images.amax((2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Otherwise(0.01), "logits differ from the model's by 1.*e-02 of the largest logit"),
        (Otherwise(float("nan")), "differ from the model's by nan"),
        (Choosy(), r"model 'nets:given' cannot be exported to .* \("),
    ],
)
def test_what_differs_is_not_written(
    kind: str, network: nn.Module, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    monkeypatch.setattr(nets, "given", lambda num_classes: network, raising=False)
    shared = made({"name": "nets:given", "image_size": (8, 8), "mean": None, "std": None})
    path = tmp_path / "model"
    path.write_text("as it was")
    with pytest.raises(InputError, match=message) as caught:
        export_model(shared, path, kind)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "as it was"
    assert len(list(tmp_path.iterdir())) == 1


def test_wrong_arguments(tmp_path: Path) -> None:
    shared = made(MODELS["grey"])
    with pytest.raises(InputError, match=r"unknown format 'onx'.*did you mean 'onnx'"):
        export_model(shared, tmp_path / "m", "onx")
    with pytest.raises(InputError, match=r"shape \(2, 3, 16, 16\)"):
        export_model(shared, tmp_path / "m", "torch-export", images=torch.rand(2, 3, 16, 16))
    assert list(tmp_path.iterdir()) == []
