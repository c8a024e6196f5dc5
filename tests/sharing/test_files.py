"""What is saved comes back bit by bit; what was changed, cut or is foreign is refused in words."""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from scaat.errors import InputError, WriteError
from scaat.models import build_model
from scaat.sharing import SharedModel, load_shared, open_run, save_shared
from scaat.training import load_trained

RGB = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "colour": {"name": "small-resnet", "image_size": (16, 16), **RGB},
    "no normalisation": {"name": "nets:tiny", "image_size": (9, 12), "mean": None, "std": None},
    "grey": {
        "name": "small-resnet",
        "image_size": (16, 16),
        "mean": [0.5],
        "std": [0.25],
        "channels": 1,
    },
    "own channels": {
        "name": "nets:any_channels",
        "image_size": (8, 8),
        "mean": [0.5],
        "std": [0.25],
        "channels": 1,
    },
    "resized": {"name": "nets:vit", "image_size": (10, 14), "input_size": (12, 12), **RGB},
    "adapter": {
        "name": "nets:foreign",
        "image_size": (8, 8),
        "adapter": "nets:scores",
        "mean": None,
        "std": None,
    },
}


def made(name: str = "no normalisation", classes: int = 3) -> SharedModel:
    torch.manual_seed(0)
    architecture = {**ARCHITECTURES[name], "num_classes": classes}
    model = build_model(**architecture)
    images = torch.rand(4, architecture.get("channels", 3), *architecture["image_size"])
    with torch.no_grad():
        model.train()(images)  # so that the statistics are not the initial ones
    model.to(memory_format=torch.channels_last).eval()
    return SharedModel(
        model,
        architecture,
        tuple(f"class {i}" for i in range(classes)),
        "scaat",
        {"epsilon": 8 / 255, "adaptive": True, "step_size": None},
        {"train_seconds": 1.5, "precision": "32-true"},
        torch.rand(7),
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_model_comes_back_bit_by_bit(name: str, tmp_path: Path) -> None:
    shared = made(name)
    save_shared(shared, tmp_path / "out")
    found = load_shared(tmp_path / "out")
    images = torch.rand(5, shared.channels, *shared.image_size)
    with torch.no_grad():
        assert torch.equal(found.model(images), shared.model(images))
    assert not found.model.training
    assert found.proportion is not None
    assert torch.equal(found.proportion, shared.proportion)  # type: ignore[arg-type]
    assert found.complete_architecture == shared.complete_architecture
    for field in ("classes", "method", "options", "training"):
        assert getattr(found, field) == getattr(shared, field)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config.json",
        "model.safetensors",
        "proportion.safetensors",
    ]


def test_a_run_comes_back_bit_by_bit(compared: Path, tmp_path: Path) -> None:
    save_shared(open_run(compared, "scaat").model, tmp_path)
    found, trained = load_shared(tmp_path), load_trained(compared / "models" / "scaat")
    images = torch.rand(5, 3, 12, 12)
    with torch.no_grad():
        assert torch.equal(found.model(images), trained.model(images))
    assert torch.equal(found.proportion, trained.proportion)  # type: ignore[arg-type]
    assert found.training == trained.summary
    # Independent of our reading: the weights as safetensors has them.
    state = trained.model.state_dict()
    assert {n: w.tolist() for n, w in load_file(tmp_path / "model.safetensors").items()} == {
        n: w.tolist() for n, w in state.items()
    }
    digest = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert (
        json.loads((tmp_path / "config.json").read_text())["files"]["model.safetensors"] == digest
    )


def test_only_the_necessary_has_to_be_known(tmp_path: Path) -> None:
    whole = made()
    save_shared(SharedModel(whole.model, whole.architecture, whole.classes), tmp_path)
    found = load_shared(tmp_path)
    assert (found.method, found.options, found.training, found.proportion) == (None, {}, {}, None)


def test_weights_in_one_memory_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tied(num_classes: int) -> nn.Module:
        first = nn.Conv2d(3, 3, 1)
        second = nn.Conv2d(3, 3, 1)
        second.weight = first.weight
        return nn.Sequential(first, second, nn.Flatten(), nn.LazyLinear(num_classes))

    monkeypatch.setattr("nets.tied", tied, raising=False)
    known = {"name": "nets:tied", "num_classes": 2, "image_size": (4, 4), "mean": None, "std": None}
    model = build_model(**known).eval()
    save_shared(SharedModel(model, known, ("a", "b")), tmp_path)
    found = load_shared(tmp_path).model
    images = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(found(images), model(images))
    assert found.network[0].weight is found.network[1].weight


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_shared(made(), tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "proportion.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated_files_are_refused(folder: Path, name: str, share: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(share * (len(content) - 2))])
    with pytest.raises(InputError, match=f"{name}.* is damaged"):
        load_shared(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "proportion.safetensors"])
def test_missing_files_are_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}' cannot be read"):
        load_shared(folder)


def test_a_changed_weight_is_refused(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors' is damaged or was changed"):
        load_shared(folder)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the configuration, and let its checksums be those of the files."""
    config = json.loads((folder / "config.json").read_text())
    for name in config["files"]:
        config["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=2), "format is 2, expected 1"),
        (lambda c: c.update(format="1"), "format is '1'"),
        (lambda c: c.pop("format"), "not of a model that scaat shared"),
        (lambda c: c.pop("files"), "not of a model that scaat shared"),
        (lambda c: c.update(files={}), r"model\.safetensors.* checksum"),
        (lambda c: c.update(classes=["a"]), "classes is '1 names', expected 3"),
        (lambda c: c.update(options=3), "options is 3, expected a mapping"),
        (lambda c: c["architecture"].pop("adapter"), r"architecture\.adapter' is missing"),
        (lambda c: c["architecture"].update(name="resnet999"), "unknown model 'resnet999'"),
        (lambda c: c["architecture"].update(name=["x"]), "expected a name"),
        (lambda c: c["architecture"].update(num_classes=0), "expected 1 or more"),
        (lambda c: c["architecture"].update(num_classes=10**12), "classes is"),
        (lambda c: c["architecture"].update(channels=4), "expected 1 or 3"),
        (lambda c: c["architecture"].update(image_size=[10**9, 10**9]), "height and width"),
        (lambda c: c["architecture"].update(image_size=8), "height and width"),
        (lambda c: c["architecture"].update(image_size=[True, 8]), "height and width"),
        (lambda c: c["architecture"].update(mean=[0.5]), "one value for each of mean"),
        (lambda c: c["architecture"].update(mean=[10**400], std=[1.0]), "finite number"),
        (lambda c: c["architecture"].update(mean=[0.5], std=[0.0]), "positive"),
        (lambda c: c["architecture"].update(name="nets:missing"), "has no 'missing'"),
        (lambda c: c["architecture"].update(name="os:abort"), "cannot be built"),
        (lambda c: c["architecture"].update(adapter="os:system"), "cannot be built"),
    ],
)
def test_foreign_settings_are_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(InputError, match=message) as caught:
        load_shared(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "3", '"x"', '{"model_type": "vit"}', "[" * 10**5])
def test_foreign_json_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json' is"):
        load_shared(folder)


def test_weights_of_another_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    save_shared(made(classes=4), tmp_path / "other")
    (folder / "model.safetensors").write_bytes((tmp_path / "other/model.safetensors").read_bytes())
    rewrite(folder, lambda config: None)
    with pytest.raises(InputError, match=r"network\.6\.bias has shape \(4,\)"):
        load_shared(folder)


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("executed").touch, ())


def test_a_pickle_executes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / "model.safetensors").write_bytes(pickle.dumps({"network": Payload()}))
    rewrite(folder, lambda config: None)
    with pytest.raises(InputError, match="no safetensors file"):
        load_shared(folder)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("payload:build", "payload.py"),
        ("payload.inner:build", "payload/__init__.py"),
        ("out.payload:build", "payload.py"),
    ],
)
@pytest.mark.parametrize("role", ["name", "adapter"])
def test_code_in_the_folder_executes_nothing(
    folder: Path, name: str, file: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when Python was started in the folder, or in the one above."""
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text("raise SystemExit('executed')")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", str(folder.parent), *sys.path])
    rewrite(folder, lambda config: config["architecture"].update({role: name}))
    with pytest.raises(InputError, match="whose module lies in the shared folder"):
        load_shared(folder)


@pytest.mark.parametrize(
    "tensors",
    [
        {"other": torch.rand(3)},
        {"proportion": torch.rand(3, 2)},
        {"proportion": torch.tensor([0.5, 1.5])},
        {"proportion": torch.tensor([float("nan")])},
        {"proportion": torch.tensor([1])},
    ],
)
def test_foreign_proportions_are_refused(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, folder / "proportion.safetensors")
    rewrite(folder, lambda config: None)
    with pytest.raises(InputError, match="does not hold proportions"):
        load_shared(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("a",)}, "classes is '1 names', expected 3"),
        ({"options": {"loss": float("nan")}}, "no JSON values"),
        ({"training": {"device": torch.device("cpu")}}, "no JSON values"),
        (
            {"architecture": {**made().architecture, "name": "nets:plain"}},
            "does not fit nets:plain",
        ),
    ],
)
def test_what_could_not_be_read_back_is_not_written(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    shared = made()
    known = {name: getattr(shared, name) for name in shared.__dataclass_fields__}
    with pytest.raises(InputError, match=message):
        save_shared(SharedModel(**known | change), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"):
        save_shared(made(), tmp_path / "file")
