from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import Saliency
from captum.metrics import sensitivity_max
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.saliency import saliency_map
from scaat.functional.stability import max_sensitivity, relative_input_stability

SETTINGS = {"perturbations": 4, "radius": 0.1, "seed": 3}
NUMBERS = torch.tensor([5, 0, 11, 2, 8])


def images(n: int = 5) -> Tensor:
    """Images with black and white pixels, where noise is cut off and quotients have zeros."""
    x = torch.rand(n, 2, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (1.4 * x - 0.2).clamp(0, 1)


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(40, 3)).double()


def explained(model: nn.Module, x: Tensor):
    labels = model(x).argmax(1)
    return lambda images, position: saliency_map(model, images, labels[position])


def noisy(x: Tensor, number: int) -> list[Tensor]:
    """The perturbed copies of one image (C, H, W), as the functions describe them."""
    generator = np.random.default_rng([SETTINGS["seed"], number])
    return [
        (x + 0.1 * (2 * torch.from_numpy(generator.random(x.shape, dtype=np.float32)) - 1)).clamp(
            0, 1
        )
        for _ in range(SETTINGS["perturbations"])
    ]


def test_max_sensitivity_equals_captum() -> None:
    model, x = network(), images()
    labels = model(x).argmax(1)
    copies = torch.cat(
        [torch.stack(noisy(*pair)) for pair in zip(x, NUMBERS.tolist(), strict=True)]
    )

    def explain(inputs: Tensor | tuple[Tensor], target: Tensor) -> Tensor | tuple[Tensor]:
        if isinstance(inputs, tuple):
            return (explain(inputs[0], target),)
        return Saliency(model).attribute(inputs.requires_grad_(), target=target).sum(1)

    expected = sensitivity_max(
        explain,
        x,
        perturb_func=lambda _: copies,
        n_perturb_samples=SETTINGS["perturbations"],
        target=labels,
    )
    x = x.detach()
    found = max_sensitivity(explained(model, x), x, image_ids=NUMBERS, **SETTINGS)
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-6)
    assert (found > 0.05).all()


def test_relative_input_stability_equals_a_loop() -> None:
    model, x = network(), images(40)
    explain, image_ids, eps = explained(model, x), torch.arange(40) + 3, 1e-3
    expected, changed = [], 0
    for i, number in enumerate(image_ids.tolist()):
        one, position = x[i : i + 1], torch.tensor([i])
        before = explain(one, position)[0].numpy()
        values = []
        for copy in noisy(x[i], number):
            if model(copy[None]).argmax() != model(one).argmax():
                changed += 1
                continue
            after = explain(copy[None], position)[0].numpy()
            scaled, after = before / before.mean(), after / before.mean()
            top = (scaled - after) / np.where(scaled == 0, eps, scaled)
            bottom = (one[0] - copy).numpy() / np.where(one[0] == 0, eps, one[0])
            values.append(np.linalg.norm(top) / max(np.linalg.norm(bottom), eps))
        expected.append(max(values, default=np.nan))
    found = relative_input_stability(model, explain, x, image_ids=image_ids, eps=eps, **SETTINGS)
    torch.testing.assert_close(
        found, torch.tensor(expected).float(), rtol=1e-5, atol=1e-6, equal_nan=True
    )
    assert changed > 0
    assert (found > 0).sum() > 30


def linear(weight: Tensor) -> nn.Module:
    """Two logits, w x and 0: the map of the first is |w| everywhere."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(weight.numel(), 2, bias=False))
    model[1].weight.data = torch.stack([weight.flatten(), torch.zeros(weight.numel())])
    return model


def test_the_map_of_a_linear_model_never_moves() -> None:
    model, x = linear(torch.rand(2, 4, 6)), images().float()
    explain = explained(model, x)
    assert max_sensitivity(explain, x).tolist() == [0] * 5
    assert relative_input_stability(model, explain, x).tolist() == [0] * 5


def test_closed_forms_where_the_map_is_the_image() -> None:
    # phi(x) = x: both quotients of the relative stability are the same.
    x = images()[:, :1].clamp(0.3, 0.7)
    stability = relative_input_stability(
        lambda z: torch.ones(len(z), 2), lambda z, _: z[:, 0], x, **SETTINGS
    )
    assert stability.tolist() == pytest.approx([1] * 5)
    # A map that doubles on every perturbed image moves by its own length.
    doubled = max_sensitivity(lambda z, p: (1 + (z != x[p]).any(1)) * x[p][:, 0], x, **SETTINGS)
    assert doubled.tolist() == pytest.approx([1] * 5)


def test_the_ball_bounds_the_perturbations_and_the_image_range_too() -> None:
    seen = []

    def explain(z: Tensor, position: Tensor) -> Tensor:
        seen.append((z - x[position]).abs().amax())
        assert ((z >= 0) & (z <= 1)).all()
        return z.mean(1)

    x = images()
    max_sensitivity(explain, x, radius=0.02, perturbations=50)
    assert 0.0199 < max(seen) <= 0.02


def test_neither_the_batch_nor_the_other_images_change_a_value() -> None:
    model, x = network(), images()
    explain = explained(model, x)
    for measure in (max_sensitivity, lambda *a, **k: relative_input_stability(model, *a, **k)):
        expected = measure(explain, x, image_ids=NUMBERS, **SETTINGS)
        for batch_size in (1, 3, 7, 12):
            torch.testing.assert_close(
                measure(explain, x, image_ids=NUMBERS, batch_size=batch_size, **SETTINGS),
                expected,
                equal_nan=True,
            )
        alone = measure(lambda z, p: explain(z, p + 2), x[2:3], image_ids=NUMBERS[2:3], **SETTINGS)
        torch.testing.assert_close(alone, expected[2:3], equal_nan=True)


def test_more_perturbations_go_on_where_fewer_stopped() -> None:
    model, x = network(), images()
    few, many = (
        max_sensitivity(explained(model, x), x, perturbations=k, radius=0.1) for k in (2, 9)
    )
    assert (few <= many).all()
    assert (few < many).any()


def test_an_image_whose_class_never_stays_has_no_value() -> None:
    x = images()

    def predict(z: Tensor) -> Tensor:  # class 1 for the second image, to the bit
        second = (z == x[1]).flatten(1).all(1).double()
        return torch.stack([1 - second, second], 1)

    values = relative_input_stability(predict, lambda z, _: z.mean(1), x, **SETTINGS)
    assert values.isnan().tolist() == [False, True, False, False, False]


def test_maps_of_zeros_divide_by_nothing() -> None:
    x = images()
    assert max_sensitivity(lambda z, _: 0 * z[:, 0], x).tolist() == [0] * 5
    predict = network()
    values = relative_input_stability(predict, lambda z, _: 0 * z[:, 0], x, radius=1e-4)
    assert values.tolist() == [0] * 5


def test_the_scale_of_the_maps_drops_out_even_at_zeros() -> None:
    x, model = images(), network()

    def some_zeros(z: Tensor, _: Tensor) -> Tensor:
        return (z[:, 0] - 0.5).clamp(min=0)

    for measure in (max_sensitivity, lambda *a, **k: relative_input_stability(model, *a, **k)):
        torch.testing.assert_close(
            measure(lambda z, p: 1e-7 * some_zeros(z, p), x, radius=1e-3),
            measure(some_zeros, x, radius=1e-3),
            equal_nan=True,
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtypes(dtype: torch.dtype) -> None:
    model, x = network().to(dtype), images().to(dtype)
    found = max_sensitivity(lambda z, _: z.abs().sum(1), x, **SETTINGS)
    expected = max_sensitivity(lambda z, _: z.abs().sum(1), x.double(), **SETTINGS)
    tolerance = {"rtol": 0.05, "atol": 0} if dtype == torch.bfloat16 else {}
    torch.testing.assert_close(found, expected, **tolerance)
    values = relative_input_stability(model, explained(model, x), x, **SETTINGS)
    assert values.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.rand(3, 4, 4)}, r"images must have shape \(N, C, H, W\)"),
        ({"images": torch.rand(3, 1, 4, 4) + 1}, "normalisation belongs"),
        ({"images": torch.rand(0, 1, 4, 4)}, "at least one image"),
        ({"radius": 0.0}, "radius of the perturbations is 0.0, expected a positive number"),
        ({"perturbations": 0}, "perturbations is 0, expected 1 or more"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"image_ids": torch.arange(2)}, "image_ids of 3 images must be 3 non-negative"),
        ({"explain": lambda z, _: z}, r"must be a floating-point tensor of shape \(N, H, W\)"),
        ({"explain": lambda z, _: z[:, 0, :2]}, r"must have the shape \(\d+, 4, 4\), found"),
        ({"explain": lambda z, _: -z[:, 0]}, "finite and non-negative"),
    ],
)
def test_wrong_input_is_named(change, message: str) -> None:
    arguments = {"images": torch.rand(3, 1, 4, 4), "explain": lambda z, _: z[:, 0]} | change
    with pytest.raises(InputError, match=message):
        max_sensitivity(**arguments)


def test_wrong_input_of_the_relative_stability_is_named() -> None:
    with pytest.raises(InputError, match="eps of the relative input stability is 0"):
        relative_input_stability(network(), lambda z, _: z[:, 0], images(), eps=0)
    with pytest.raises(InputError, match=r"logits of shape \(\d+, classes\)"):
        relative_input_stability(lambda z: z, lambda z, _: z[:, 0], images())
