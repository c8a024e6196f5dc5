"""Networks with several outputs."""

from __future__ import annotations

import pytest
import torch

from scaat.errors import InputError
from scaat.models import build_model, find_adapter

KNOWN = {"num_classes": 3, "image_size": (8, 8), "mean": None, "std": None}
IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["two_heads", "dictionary", "attribute"])
def test_auto_finds_the_logits(name: str) -> None:
    model = build_model(f"nets:{name}", **KNOWN)
    expected = model.get_submodule("network.body")(IMAGES)
    assert model.training
    assert torch.equal(model(IMAGES), expected)
    assert torch.equal(model.eval()(IMAGES), expected)
    assert model.several_outputs
    assert not build_model("nets:plain", **KNOWN).several_outputs


def test_mean_of_two_heads_is_their_mean() -> None:
    model = build_model("nets:two_heads", **KNOWN, adapter="mean")
    heads = [model.get_submodule(f"network.{name}")(IMAGES) for name in ("body", "auxiliary")]
    torch.testing.assert_close(model(IMAGES), (heads[0] + heads[1]) / 2)
    assert torch.equal(model.eval()(IMAGES), heads[0])


def test_users_own_adapter() -> None:
    model = build_model("nets:foreign", **KNOWN, adapter="nets:scores")
    assert torch.equal(model(IMAGES), model.get_submodule("network.body")(IMAGES))


@pytest.mark.parametrize(
    ("network", "adapter", "message"),
    [
        ("foreign", "auto", r"a dictionary with 'scores', in which adapter 'auto' finds no logits"),
        ("dictionary", "mean", "a dictionary with 'auxiliary', 'logits', but adapter 'mean'"),
        ("plain", "nets:wrong_adapter", "'nets:wrong_adapter' returns a list of Tensor, expected"),
        ("plain", "firts", "unknown adapter 'firts'"),
        ("plain", "nets:none", "adapter 'nets:none': module 'nets' has no 'none'"),
        ("plain", "nets:__name__", "adapter 'nets:__name__' is str, expected a function"),
    ],
)
def test_what_cannot_work_is_refused(network: str, adapter: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_model(f"nets:{network}", **KNOWN, adapter=adapter)


def test_tuple_without_tensors_is_refused() -> None:
    with pytest.raises(InputError, match="a tuple of str, in which adapter 'auto'"):
        find_adapter("auto")(("logits",))
