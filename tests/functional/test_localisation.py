from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scaat.data.decoding import fit, fit_boxes
from scaat.errors import InputError
from scaat.functional.localisation import box_masks, energy_inside, iou_at_area, pointing_game

MEASURES = [pointing_game, energy_inside, iou_at_area]


def example(n: int = 6, levels: int = 1000) -> tuple[Tensor, Tensor]:
    """Maps of so many grey levels (few make ties) and masks of all sizes but none."""
    generator = torch.Generator().manual_seed(2)
    maps = torch.randint(levels, (n, 5, 7), generator=generator) / levels
    masks = torch.rand(n, 5, 7, generator=generator) < torch.linspace(0.1, 0.9, n).view(n, 1, 1)
    masks[:, 2, 3] = True
    return maps, masks


def naive_pointing(values: np.ndarray, inside: np.ndarray) -> float:
    hits = [inside[i] for i in range(len(values)) if values[i] == max(values)]
    return sum(hits) / len(hits)


def naive_energy(values: np.ndarray, inside: np.ndarray) -> float:
    return sum(v for v, i in zip(values, inside, strict=True) if i) / sum(values)


def naive_iou(values: np.ndarray, inside: np.ndarray) -> float:
    """The mean intersection over all ways to break the ties, one by one."""
    area = int(inside.sum())
    cut = sorted(values, reverse=True)[area - 1]
    above = [i for i in range(len(values)) if values[i] > cut]
    level = [i for i in range(len(values)) if values[i] == cut]
    found = [
        sum(inside[i] for i in [*above, *chosen])
        for chosen in combinations(level, area - len(above))
    ]
    intersection = sum(found) / len(found)
    return intersection / (2 * area - intersection)


NAIVE = {
    pointing_game: naive_pointing,
    energy_inside: naive_energy,
    iou_at_area: naive_iou,
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("levels", [1000, 8])
@pytest.mark.parametrize("measure", MEASURES)
def test_equals_a_loop_over_the_pixels(measure, levels: int, dtype: torch.dtype) -> None:
    maps, masks = example(levels=levels)
    maps = maps.to(dtype)
    found = measure(maps, masks)
    for value, one, mask in zip(found, maps.double().numpy(), masks.numpy(), strict=True):
        expected = NAIVE[measure](one.ravel(), mask.ravel())
        assert value.item() == pytest.approx(expected, abs=1e-6)
    assert found.dtype == torch.float32


@pytest.mark.parametrize("measure", MEASURES)
def test_the_mask_itself_is_perfect_and_its_complement_worthless(measure) -> None:
    _, masks = example()
    masks[:, 0, 0] = False
    assert measure(masks.float(), masks).tolist() == pytest.approx([1] * 6)
    small = masks & (torch.arange(35).view(5, 7) % 3 == 0)  # fits twice into the image
    small[:, 2, 3] = True
    assert measure((~small).float(), small).tolist() == [0] * 6


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_equal_pixels_have_what_chance_has(level: float) -> None:
    maps = torch.full((1, 4, 5), level)
    masks = torch.zeros(1, 4, 5, dtype=torch.bool)
    masks[0, 1, :4] = True  # a fifth of the image
    assert pointing_game(maps, masks).item() == pytest.approx(0.2)
    assert energy_inside(maps, masks).item() == pytest.approx(0.2)
    assert iou_at_area(maps, masks).item() == pytest.approx(0.2 / 1.8)


@pytest.mark.parametrize("measure", MEASURES)
def test_an_empty_mask_has_no_value_and_a_full_one_is_met_by_every_map(measure) -> None:
    maps = torch.rand(3, 4, 4)
    maps[2] = 0
    masks = torch.tensor([False, True, True]).view(3, 1, 1).expand(3, 4, 4)
    nothing, everything, zero = measure(maps, masks).tolist()
    assert math.isnan(nothing)
    assert everything == zero == 1


@pytest.mark.parametrize("measure", MEASURES)
def test_neither_scale_nor_direction_changes_anything(measure) -> None:
    maps, masks = example()
    torch.testing.assert_close(measure(maps * 1e-30, masks), measure(maps, masks))
    for flip in (1, 2):  # no bias to the first pixels, ties or none
        tied = (maps * 4).round()
        torch.testing.assert_close(measure(tied.flip(flip), masks.flip(flip)), measure(tied, masks))


@pytest.mark.parametrize(
    "masks",
    [
        torch.ones(2, 4, 4),
        torch.ones(2, 4, 5, dtype=torch.bool),
        torch.ones(1, 4, 4, dtype=torch.bool),
        torch.ones(2, 4, 4, dtype=torch.bool, device="meta"),
    ],
)
@pytest.mark.parametrize("measure", MEASURES)
def test_wrong_masks_are_named(measure, masks: Tensor) -> None:
    with pytest.raises(InputError, match=r"must be torch.bool of the same shape .* found torch"):
        measure(torch.rand(2, 4, 4), masks)


@pytest.mark.parametrize("measure", MEASURES)
def test_nan_in_a_map_is_named(measure) -> None:
    with pytest.raises(InputError, match="finite and non-negative"):
        measure(torch.full((1, 2, 2), torch.nan), torch.ones(1, 2, 2, dtype=torch.bool))


def test_a_box_holds_the_pixels_whose_centre_it_holds() -> None:
    boxes = torch.tensor(
        [
            [1, 0, 3, 2],
            [0.5, 0.51, 1.5, 2.5],  # the upper end is outside: neighbours share no pixel
            [2, 2, 2, 3],
            [-5, 1, 90, 2],
            [0, 0, 4, 3],
        ]
    )
    expected = ["0110 0110 0000", "0000 1000 0000", "0000 " * 3, "0000 1111 0000", "1111 " * 3]
    for mask, rows in zip(box_masks(boxes, 3, 4).int().tolist(), expected, strict=True):
        assert " ".join("".join(map(str, row)) for row in mask) == rows.strip()
    assert box_masks(boxes.int(), 3, 4).shape == (5, 3, 4)


@pytest.mark.parametrize("size", [8, 16, 40])  # no pixel's centre falls on a box's edge
def test_a_resized_box_has_the_mask_of_the_resized_mask(size: int) -> None:
    height, width = 24, 32
    generator = np.random.default_rng(0)
    x = np.sort(generator.integers(0, width + 1, (40, 2)))
    y = np.sort(generator.integers(0, height + 1, (40, 2)))
    boxes = torch.from_numpy(np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)).float()
    masks = box_masks(boxes, height, width).numpy()
    squares = [np.asarray(fit(Image.fromarray(mask), size, nearest=True)) for mask in masks]
    resized = torch.from_numpy(np.stack(squares))
    sizes = torch.tensor([[height, width]]).expand(40, 2)
    assert torch.equal(box_masks(fit_boxes(boxes, sizes, size), size, size), resized)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (torch.zeros(4), r"boxes must have shape \(N, 4\), found \(4,\)"),
        (torch.tensor([[0.0, 0, 1, 1], [3, 0, 2, 1]]), r"box 1 is \[3.0, 0.0, 2.0, 1.0\]"),
        (torch.tensor([[0.0, 0, torch.nan, 1]]), "box 0 is .* expected finite"),
    ],
)
def test_wrong_boxes_are_named(boxes: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        box_masks(boxes, 4, 4)
