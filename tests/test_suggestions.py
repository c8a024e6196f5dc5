from __future__ import annotations

import pytest
import torch
from torch import nn

from scaat.models import build_model
from scaat.objectives import build_objective
from scaat.suggestions import MODEL, activation_bytes, advise

GIB = 2**30


def settings(side: int, images: int, *, memory: int | None = 64 * GIB) -> dict[str, object]:
    found = advise((side, side), images, free_memory=memory)
    assert all(len(setting.why) > 20 for setting in found)
    return {setting.name.rpartition(".")[2]: setting.value for setting in found}


def test_as_measured_where_the_data_are_as_measured() -> None:
    found = settings(64, 9000)
    assert found["batch_size"] == 64
    assert found["learning_rate"] == 0.1
    assert found["epochs"] == 21
    assert found["accuracy_budget"] == 0.5


def test_the_weight_is_left_to_the_budget() -> None:
    assert "weight" not in settings(32, 1257)


@pytest.mark.parametrize(("images", "batch"), [(10, 4), (70, 8), (200, 16), (600, 64)])
def test_small_sets_have_small_batches_and_rates(images: int, batch: int) -> None:
    found = settings(32, images)
    assert found["batch_size"] == batch
    assert found["learning_rate"] == pytest.approx(0.1 * batch / 64)
    assert 10 <= int(str(found["epochs"])) <= 40


def test_the_batch_fits_half_of_the_memory() -> None:
    needed = 2 * activation_bytes((224, 224))
    assert settings(224, 10_000, memory=2 * 16 * needed)["batch_size"] == 16
    assert settings(224, 10_000, memory=1)["batch_size"] == 4
    assert settings(224, 10_000, memory=None)["batch_size"] == 64


@pytest.mark.parametrize("image_size", [(32, 48), (33, 65)])
def test_activations_are_those_of_a_real_pass(image_size: tuple[int, int]) -> None:
    model = build_model(MODEL, num_classes=2, image_size=image_size, mean=None, std=None)
    sizes = []
    for module in model.get_submodule("network").modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda _module, _inputs, output: sizes.append(output.nbytes)
            )
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, *image_size))
    assert any(isinstance(module, nn.Conv2d) for module in model.modules())
    assert activation_bytes(image_size) == pytest.approx(sum(sizes), rel=0.05)


def test_the_objective_takes_the_advice() -> None:
    found = advise((64, 64), 100, free_memory=None)
    fields = {s.name.rpartition(".")[2]: s.value for s in found if "scaat" in s.name}
    build_objective("scaat", 100, fields)
