from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from removal_reference import removed
from scaat.errors import InputError
from scaat.functional.aopc import aopc, perturbation_curve
from scaat.functional.baselines import BASELINES


def net(channels: int = 3) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 4),
        nn.Softplus(),
    ).eval()


def data(n: int = 5, shape: tuple[int, int, int] = (3, 8, 6)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    images = torch.rand(n, *shape, generator=generator)
    maps = torch.rand(n, *shape[1:], generator=generator)
    maps[:, :3, :3] = 0  # ties
    return images, maps


def naive(
    model, image, map_, number, order, steps, fraction, size, repeats, seed, baseline="random"
):
    """One image at a time, one region at a time, with the documented random numbers."""
    regions = math.ceil(image.shape[1] / size) * math.ceil(image.shape[2] / size)
    counts = [math.floor(k / steps * fraction * regions + 0.5) for k in range(1, steps + 1)]
    settings = {"order": order, "counts": counts, "size": size, "baseline": baseline, "seed": seed}
    clean = model(image[None]).softmax(1)[0]
    target = int(clean.argmax())
    return [
        sum(float(clean[target] - model(x[None]).softmax(1)[0, target]) for x in step) / repeats
        for step in zip(*removed(image, map_, number, repeats=repeats, **settings), strict=True)
    ]


@pytest.mark.parametrize(
    ("shape", "size", "fraction", "steps"),
    [((3, 8, 6), 1, 0.2, 20), ((3, 8, 6), 2, 0.5, 4), ((1, 7, 10), 3, 1.0, 5)],
)
@torch.no_grad()
def test_equals_a_loop_over_single_images(
    shape: tuple[int, int, int], size: int, fraction: float, steps: int
) -> None:
    images, maps = data(3, shape)
    model = net(shape[0])
    found = perturbation_curve(
        model,
        images,
        maps,
        steps=steps,
        fraction=fraction,
        region_size=size,
        repeats=2,
        seed=11,
        batch_size=7,
    )
    for order in ("lerf", "morf"):
        expected = [
            naive(model, images[i], maps[i], i, order, steps, fraction, size, 2, 11)
            for i in range(3)
        ]
        torch.testing.assert_close(found[order], torch.tensor(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("size", "steps", "fraction"), [(1, 3, 0.9), (3, 2, 0.7)])
@pytest.mark.parametrize("baseline", list(BASELINES))
@torch.no_grad()
def test_every_baseline_equals_a_loop(
    baseline: str, size: int, steps: int, fraction: float, dtype: torch.dtype
) -> None:
    images, maps = (x.to(dtype) for x in data(2))
    model = net().to(dtype)
    repeats = 2 if baseline in ("random", "noisy-linear") else 1
    settings = {"steps": steps, "fraction": fraction, "region_size": size, "seed": 6}
    protocol = (steps, fraction, size, repeats, 6, baseline)
    image_ids = torch.tensor([9, 4])
    found = perturbation_curve(
        model,
        images,
        maps,
        baseline=baseline,
        repeats=2,
        image_ids=image_ids,
        batch_size=5,
        **settings,
    )
    for order in ("lerf", "morf"):
        expected = [
            naive(model, images[i], maps[i], number, order, *protocol)
            for i, number in enumerate(image_ids.tolist())
        ]
        torch.testing.assert_close(found[order], torch.tensor(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("baseline", list(BASELINES))
def test_random_baselines_take_a_pass_for_each_repeat_the_others_one(baseline: str) -> None:
    passes = []

    def predict(x: Tensor) -> Tensor:
        passes.append(len(x))
        return x.flatten(1)[:, :2]

    images, maps = data()
    perturbation_curve(predict, images, maps, baseline=baseline, repeats=3, steps=4)
    repeats = 3 if baseline in ("random", "noisy-linear") else 1
    assert sum(passes) == 5 + 5 * 2 * repeats * 4


@pytest.mark.parametrize("baseline", ["random", "noisy-linear"])
def test_rounds_of_repeats_add_up(baseline: str) -> None:
    images, maps = data()
    model = net()

    def curve(first_repeat: int, repeats: int) -> Tensor:
        return perturbation_curve(
            model,
            images,
            maps,
            baseline=baseline,
            first_repeat=first_repeat,
            repeats=repeats,
            steps=3,
        )["morf"]

    whole = curve(0, 5)
    torch.testing.assert_close((2 * curve(0, 2) + 3 * curve(2, 3)) / 5, whole, rtol=0, atol=1e-6)
    assert (curve(2, 3) - whole).abs().max() > 1e-5


class _NoWaiting(TorchDispatchMode):
    """Fails where a value goes to the host, or a shape depends on one."""

    waits = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique")
    armed = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        if self.armed:
            name = func._schema.name.removeprefix("aten::")
            assert name not in self.waits
            if name in ("index", "index_put_"):
                assert all(i is None or i.dtype != torch.bool for i in args[1])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("baseline", list(BASELINES))
def test_no_perturbed_batch_waits_for_the_one_before(baseline: str) -> None:
    mode = _NoWaiting()
    calls = []

    def predict(x: Tensor) -> Tensor:
        calls.append(len(x))
        mode.armed = 1 < len(calls) < 9  # from the first perturbed batch to the last
        return x.flatten(1)[:, :2]

    images, maps = data(2)
    with mode:
        perturbation_curve(
            predict, images, maps, baseline=baseline, repeats=1, steps=4, batch_size=2
        )
    assert calls == [2] * 9


@pytest.mark.parametrize("batch_size", [1, 3, 64, 10_000])
def test_batch_size_changes_nothing(batch_size: int) -> None:
    images, maps = data()
    settings = {"repeats": 3, "steps": 4, "seed": 2}
    expected = perturbation_curve(net(), images, maps, **settings)
    found = perturbation_curve(net(), images, maps, batch_size=batch_size, **settings)
    for order, curve in expected.items():
        torch.testing.assert_close(found[order], curve, rtol=0, atol=1e-6)


def test_numbers_name_the_images() -> None:
    images, maps = data()
    settings = {"repeats": 2, "steps": 3}
    whole = perturbation_curve(net(), images, maps, **settings)["morf"]
    part = torch.tensor([4, 1])
    named = perturbation_curve(net(), images[part], maps[part], image_ids=part, **settings)["morf"]
    unnamed = perturbation_curve(net(), images[part], maps[part], **settings)["morf"]
    torch.testing.assert_close(named, whole[part], rtol=0, atol=1e-6)
    assert (unnamed - whole[part]).abs().max() > 1e-4
    reseeded = perturbation_curve(net(), images, maps, seed=1, **settings)["morf"]
    assert (reseeded - whole).abs().max() > 1e-4


def test_a_linear_model_loses_what_its_weights_say() -> None:
    # The logit difference is the sum of the first two columns. A map on them alone makes LeRF
    # lose nothing at all; MoRF at its last step replaces exactly them by known noise.
    images = torch.ones(1, 1, 4, 10)
    maps = torch.zeros(1, 4, 10)
    maps[:, :, :2] = 1

    def predict(x: Tensor) -> Tensor:
        score = x[:, 0, :, :2].sum((1, 2))
        return torch.stack([score, torch.zeros_like(score)], 1)

    found = perturbation_curve(predict, images, maps, repeats=1, steps=8, seed=5)
    assert found["lerf"].tolist() == [[0.0] * 8]
    generator = np.random.default_rng([5, 0])
    generator.permutation(40)
    noise = generator.random((4, 10), dtype=np.float32)
    expected = 1 / (1 + math.exp(-8)) - 1 / (1 + math.exp(-float(noise[:, :2].sum())))
    assert found["morf"][0, -1].item() == pytest.approx(expected, abs=1e-6)
    assert (found["morf"].diff() > 0).all()  # noise lies below 1: every pixel costs


@pytest.mark.parametrize(("height", "region_size"), [(8, 1), (7, 2), (7, 3)])
def test_equal_saliency_is_replaced_in_random_order_the_same_for_both(
    height: int, region_size: int
) -> None:
    seen = []

    def predict(x: Tensor) -> Tensor:
        seen.append(x)
        return torch.stack([x.mean((1, 2, 3)), x.flatten(1)[:, 0]], 1)

    images = torch.zeros(40, 1, height, 8)
    maps = torch.full((40, height, 8), 0.1)
    curves = perturbation_curve(
        predict, images, maps, steps=1, repeats=1, fraction=0.25, region_size=region_size
    )
    torch.testing.assert_close(curves["lerf"], curves["morf"], rtol=0, atol=0)
    replaced = (seen[-1].view(40, 2, height, 8)[:, 0] > 0).float()
    # A quarter of everything, and no part of the image more than another (5 sigma).
    assert replaced.mean().item() == pytest.approx(0.25, abs=0.05)
    for part in (replaced[:, : height // 2], replaced[:, :, 4:], replaced[:, -1:]):
        assert part.mean().item() == pytest.approx(0.25, abs=0.15)


def test_all_channels_get_their_own_uniform_noise() -> None:
    seen = []

    def predict(x: Tensor) -> Tensor:
        seen.append(x)
        return x.flatten(1)[:, :2]

    images, maps = data(2, (3, 16, 16))
    perturbation_curve(predict, images, maps, steps=1, repeats=4, fraction=1.0, orders=["lerf"])
    noise = seen[-1].transpose(0, 1).flatten(1)
    assert noise.min() >= 0
    assert noise.max() < 1
    assert noise.mean(1).tolist() == pytest.approx([0.5] * 3, abs=0.04)
    assert noise.corrcoef().fill_diagonal_(0).abs().max() < 0.1


def test_steps_reveal_one_random_image_bit_by_bit() -> None:
    seen = []

    def predict(x: Tensor) -> Tensor:
        seen.append(x)
        return x.flatten(1)[:, :2]

    images, maps = data(1)
    perturbation_curve(predict, images, maps, steps=5, repeats=1, orders=["morf"], fraction=1.0)
    steps = seen[-1]
    for earlier, later in itertools.pairwise(steps):
        changed = earlier != images[0]
        assert torch.equal(earlier[changed], later[changed])
        assert (later != images[0]).sum() > changed.sum()


def test_leaves_images_gradients_and_random_state_alone() -> None:
    images, maps = data()
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 3))
    before, state = images.clone(), torch.get_rng_state()
    curve = perturbation_curve(lambda x: model(x.sub_(0.5)), images, maps, repeats=1, steps=2)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not curve["lerf"].requires_grad


def test_aopc_is_the_mean_over_steps() -> None:
    assert aopc(torch.tensor([[0.0, 1.0], [0.5, 1.0]])).tolist() == [0.5, 0.75]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"orders": ["leaf"]}, "unknown order 'leaf'"),
        ({"orders": []}, "orders must name"),
        ({"steps": 0}, "steps of the perturbation curve must be 1 or more, found 0"),
        ({"repeats": 0}, "repeats of the"),
        ({"first_repeat": -1}, "first_repeat is -1, expected 0 or more"),
        ({"baseline": "blurr"}, "unknown baseline 'blurr'"),
        ({"baseline": "noisy-linear", "fraction": 1.0}, "removes all 48 regions"),
        ({"batch_size": 0}, "batch_size is 0, expected 1 or more"),
        ({"fraction": 1.1}, r"must be in \(0, 1\], found 1.1"),
        ({"fraction": 0.001}, "replaces none"),
        ({"region_size": 0}, "region_size of the"),
        ({"region_size": 7}, r"shortest side 6 of inputs of size \(8, 6\), found 7"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"image_ids": torch.tensor([0, 1])}, "image_ids of 5 images"),
        ({"maps": torch.zeros(5, 6, 8)}, r"must have the shape \(5, 8, 6\)"),
        ({"images": torch.full((5, 3, 8, 6), 2.0)}, "images"),
        ({"images": torch.full((5, 3, 8, 6), float("nan"))}, "images"),
        ({"images": torch.zeros(5, 8)}, r"images must have shape \(N, C, H, W\)"),
        ({"images": torch.zeros(0, 3, 8, 6), "maps": torch.zeros(0, 8, 6)}, "at least one"),
        ({"predict": lambda x: x.mean(1)}, "must be logits"),
    ],
)
def test_refuses(change: dict, sentence: str) -> None:
    images, maps = data()
    arguments = {"predict": net(), "images": images, "maps": maps} | change
    with pytest.raises(InputError, match=sentence):
        perturbation_curve(**arguments)
