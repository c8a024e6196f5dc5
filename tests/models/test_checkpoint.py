"""Weights of any network from any honest file; a dishonest one executes nothing."""

from __future__ import annotations

import argparse
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nets
from scaat.errors import InputError
from scaat.models import Normalize, load_model
from scaat.models.checkpoint import read_checkpoint

KNOWN = {
    "num_classes": 3,
    "image_size": (8, 8),
    "mean": (0.5, 0.4, 0.3),
    "std": (0.2, 0.3, 0.4),
}
IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    network = nets.tiny(3)
    with torch.no_grad():
        network(torch.rand(4, 3, 8, 8))  # so that the statistics are not the initial ones
    return network.eval()


def expected(network: nn.Module) -> Tensor:
    mean, std = (torch.tensor(KNOWN[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        return network((IMAGES - mean) / std)


def prefixed(prefix: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {prefix + name: weight for name, weight in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        dict,
        lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}},
        lambda state: {"model": state},
        lambda state: {"model_state_dict": state},
        prefixed("module."),
        prefixed("_orig_mod."),
        prefixed("module._orig_mod."),
        lambda state: {"state_dict": prefixed("model.")(state)},
        # From before batch norm counted its batches.
        lambda state: {n: w for n, w in state.items() if "num_batches" not in n},
        lambda state: {n: w.half() if w.is_floating_point() else w for n, w in state.items()},
    ],
)
def test_every_wrapping_gives_the_network(
    wrap: Callable[[Any], Any], network: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(wrap(network.state_dict()), path)
    model = load_model(path, "nets:tiny", **KNOWN)
    assert not model.training
    with torch.no_grad():
        torch.testing.assert_close(model(IMAGES), expected(network), rtol=1e-2, atol=1e-2)
    assert isinstance(model[0], Normalize)


def test_safetensors_give_the_network(network: nn.Module, tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    path = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), path)
    with torch.no_grad():
        found = load_model(path, "nets:tiny", **KNOWN)(IMAGES)
    torch.testing.assert_close(found, expected(network))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"weights\.safetensors' is damaged"):
        load_model(path, "nets:tiny", **KNOWN)


def test_a_network_that_normalises_itself_gets_the_images(
    network: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    torch.save(network.state_dict(), path)
    model = load_model(path, "nets:tiny", **KNOWN | {"mean": None, "std": None})
    with torch.no_grad():
        torch.testing.assert_close(model(IMAGES), network(IMAGES))


def test_own_prefixed_names_are_kept(tmp_path: Path) -> None:
    """A network whose own names all begin with ``module.`` must not lose that."""
    path = tmp_path / "weights.pt"
    own = nn.Sequential()
    own.add_module("module", nets.plain(3))
    torch.save(own.state_dict(), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nets, "wrapped", lambda num_classes: own, raising=False)
        load_model(path, "nets:wrapped", **KNOWN)


class Payload:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("executed").touch, ())


@pytest.mark.parametrize(
    "save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))]
)
def test_nothing_is_executed(
    save: Callable[[Any, Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    save({"state_dict": Payload()}, path)
    with pytest.raises(InputError, match=r"evil\.pt' refers to code \(.+\)"):
        load_model(path, "nets:tiny", **KNOWN)
    assert not (tmp_path / "executed").exists()
    pickle.loads(pickle.dumps(Payload()))  # the payload is live: it does run where it is let
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": nets.tiny(3)}, r"refers to code \(torch\.nn\.modules"),
        ({"args": argparse.Namespace(lr=1), "model": {}}, r"refers to code \(argparse\.Namespace"),
        ({"epoch": 3, "note": "x"}, "holds 'epoch', 'note'; expected named tensors"),
        ({}, "holds nothing; expected named tensors"),
        ([torch.zeros(2)], "holds a list; expected named tensors"),
    ],
)
def test_other_contents_are_named(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match=rf"other\.pt' {message}"):
        load_model(path, "nets:tiny", **KNOWN)


def test_truncated_anywhere_is_damaged(network: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "cut.pt"
    torch.save(network.state_dict(), path)
    whole = path.read_bytes()
    for length in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.pt' is damaged"):
            read_checkpoint(path)


@pytest.mark.parametrize(
    "content", [b"hello world, this is text", b"\x89PNG\r\n\x1a\n" * 9, b"PK\x03\x04"]
)
def test_foreign_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "foreign.ckpt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"foreign\.ckpt' is damaged"):
        read_checkpoint(path)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    with pytest.raises(InputError, match="is a TorchScript program"):
        read_checkpoint(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        read_checkpoint(tmp_path / "nowhere.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {n: w for n, w in s.items() if n != "6.bias"}, "it lacks 6.bias"),
        (lambda s: s | {"extra": torch.zeros(1)}, "it has also extra"),
        (
            lambda s: prefixed("module.")({n: w for n, w in s.items() if n != "6.bias"}),
            "it lacks 6.bias$",
        ),
        (prefixed("net."), "it lacks 0.weight, 0.bias, 1.weight and 5 more and has also net.0"),
        (
            lambda s: s | {"6.weight": torch.zeros(5, 32)},
            r"6\.weight has shape \(5, 32\), expected \(3, 32\)",
        ),
    ],
)
def test_weights_that_do_not_fit(
    change: Callable[[Any], Any], message: str, network: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    torch.save(change(dict(network.state_dict())), path)
    with pytest.raises(
        InputError, match=rf"weights\.pt' does not fit nets:tiny with 3 classes: {message}"
    ):
        load_model(path, "nets:tiny", **KNOWN)


@pytest.mark.parametrize("name", ["nets:tiny", "nets:one_logit"])
def test_one_logit_tells_two_classes_apart(name: str, tmp_path: Path) -> None:
    """Whether the weights show it or the user's factory knows; the sigmoid is class 1's softmax."""
    path = tmp_path / "weights.pt"
    torch.manual_seed(0)
    network = nets.tiny(1).eval()
    torch.save(network.state_dict(), path)
    model = load_model(path, name, **{**KNOWN, "num_classes": 2})
    assert not model.training
    with torch.no_grad():
        probability = expected(network).sigmoid()
        torch.testing.assert_close(model(IMAGES).softmax(1)[:, 1:], probability)
    with pytest.raises(InputError, match=r"has shape .*1, 32.*, expected .*3, 32|returns shape"):
        load_model(path, name, **KNOWN)
