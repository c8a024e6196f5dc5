"""From options and images to the model that a training starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import nets
from scaat.data import DataSplits, to_float
from scaat.errors import InputError
from scaat.models import Whitening
from scaat.training import TrainingOptions, fit, load_trained
from scaat.training.architecture import architecture_of, starting_model

OPTIONS = TrainingOptions(
    model="nets:tiny", epochs=1, batch_size=16, precision="32", accelerator="cpu"
)


@pytest.mark.parametrize(
    ("options", "mean"),
    [
        ({"model": "torchvision:resnet18"}, [0.485, 0.456, 0.406]),
        ({"model": "torchvision:resnet18", "normalisation": "own"}, [0.485, 0.456, 0.406]),
        ({"normalisation": "imagenet"}, [0.485, 0.456, 0.406]),
        ({"normalisation": "none"}, None),
        ({}, "data"),
        ({"model": "torchvision:resnet18", "normalisation": "data"}, "data"),
    ],
)
def test_normalisation(options: dict[str, Any], mean: Any, splits: DataSplits) -> None:
    found = architecture_of(splits.train, replace(OPTIONS, **options))["mean"]
    if mean == "data":
        mean = (splits.train.images.float() / 255).mean((0, 2, 3)).tolist()
    assert found == (None if mean is None else pytest.approx(mean))


@pytest.mark.parametrize(
    ("input_size", "expected"), [("data", None), ("own", (224, 224)), ("40", (40, 40))]
)
def test_input_size(input_size: str, expected: object, splits: DataSplits) -> None:
    options = replace(OPTIONS, model="torchvision:resnet18", input_size=input_size)
    assert architecture_of(splits.train, options)["input_size"] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalisation": "own"}, "no library states one for model 'nets:tiny'"),
        ({"input_size": "own"}, "input_size is 'own', but no library states one"),
        ({"trainable": "8"}, "trainable names '8'"),
        ({"weights": "nowhere.pt"}, "'nowhere.pt' cannot be read"),
        ({"model": "torchvision:inception_v3"}, "cannot be built for images of 12x12"),
        ({"adapter": "men"}, r"unknown adapter 'men'"),
    ],
)
def test_what_does_not_fit_is_refused(
    options: dict[str, Any], message: str, splits: DataSplits
) -> None:
    with pytest.raises(InputError, match=message):
        starting_model(splits.train, replace(OPTIONS, **options))


def test_a_whitening_layer_is_fitted_to_the_training_images(splits: DataSplits) -> None:
    model = starting_model(splits.train, replace(OPTIONS, model="fast-cnn")).model
    weight = model.get_submodule("network.0").weight
    expected = Whitening()
    expected.fit(model.network_input(to_float(splits.train.images)))
    torch.testing.assert_close(weight, expected.weight)
    assert not torch.equal(weight.abs().sum((1, 2, 3)), torch.ones(24))


@pytest.mark.parametrize("input_size", ["64px", "0", "-3", ""])
def test_sizes_are_numbers(input_size: str) -> None:
    with pytest.raises(InputError, match="expected data, own or a number of pixels"):
        TrainingOptions(input_size=input_size)


def test_frozen_backbone_of_a_file_is_trained_and_read_back(
    splits: DataSplits, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    source = nets.tiny(7)
    torch.save(source.state_dict(), tmp_path / "source.pt")
    options = replace(
        OPTIONS, weights=str(tmp_path / "source.pt"), trainable="head", input_size="16"
    )
    trained = fit(
        splits,
        "scaat",
        {"weight": 5.0, "steps": 1, "search_interval": 1},
        options,
        seed=0,
        folder=tmp_path / "run",
    )
    network = trained.model.get_submodule("network").state_dict()
    for name, weight in source.state_dict().items():
        assert torch.equal(network[name], weight) == (not name.startswith("6")), name
    assert "its head (6) has 7 classes there, 3 here" in trained.summary["weights"]
    again = load_trained(tmp_path / "run").model
    images = torch.rand(2, 3, 12, 12)
    with torch.no_grad():
        assert torch.equal(again(images), trained.model(images))


@pytest.mark.slow
def test_heads_without_a_loss_train_on_several_processes(
    splits: DataSplits, tmp_path: Path
) -> None:
    """The second head of a tuple gets no gradient, on which DistributedDataParallel would wait."""
    options = replace(OPTIONS, model="nets:two_heads", devices=2, batch_size=12)
    trained = fit(
        splits,
        "scaat",
        {"weight": 5.0, "steps": 1, "search_interval": 1},
        options,
        seed=0,
        folder=tmp_path,
    )
    assert trained.summary["steps"] == 2
