"""Grids: an image divided into cells, and grids of whole images for the grid pointing game."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.checks import image_id_list
from scaat.functional.localisation import energy_inside
from scaat.functional.maps import check_maps


def cell_numbers(height: int, width: int, grid: int) -> Tensor:
    """Return the number of each pixel's cell, row by row from 0, of ``grid`` x ``grid`` cells.

    Where ``grid`` does not divide the height or the width, cells differ by one pixel.

    Args:
        height: Of the image in pixels.
        width: Of the image in pixels.
        grid: Cells along each side, from 1 to the shorter side.

    Returns:
        int64 (height, width).

    Raises:
        InputError: The image has fewer pixels along a side than cells.
    """
    if not 1 <= grid <= min(height, width):
        raise InputError(
            f"a grid of {grid} x {grid} cells does not fit images of {height} x {width} pixels; "
            f"expected 1 to {min(height, width)} cells along a side"
        )
    rows = torch.arange(height) * grid // height
    columns = torch.arange(width) * grid // width
    return rows.unsqueeze(1) * grid + columns


def draw_grids(
    labels: Tensor, image_ids: Tensor, *, grid: int = 2, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Draw a grid of images for each of some images: itself, and images of other classes.

    The classes in a grid all differ while the data has enough of them; then they repeat, except
    that of the image itself. Classes, images and the image's own cell are random, from NumPy's
    ``default_rng([seed, id])``.

    Args:
        labels: int64 (M,), the classes of all images.
        image_ids: (n,) integers, positions among them.
        grid: Cells along each side, at least 2.
        seed: Non-negative.

    Returns:
        Positions of the images in the cells, row by row, int64 (n, grid * grid); and the cell
        (n,) of the image itself, int64.

    Raises:
        InputError: ``grid`` is less than 2, or all labels are equal.
    """
    if grid < 2:
        raise InputError(f"a grid of images has 2 cells or more along a side, found {grid}")
    known = labels.cpu().numpy()
    members = {int(label): np.flatnonzero(known == label) for label in np.unique(known)}
    if len(members) < 2:
        raise InputError("grids of images need labels of two classes or more, found one")
    cells = grid * grid
    drawn, places = [], []
    for own in image_id_list(image_ids, len(image_ids)):
        generator = np.random.default_rng([seed, own])
        others = generator.permutation([label for label in members if label != known[own]])
        row = [generator.choice(members[label]) for label in np.resize(others, cells - 1)]
        place = int(generator.integers(cells))
        drawn.append([*row[:place], own, *row[place:]])
        places.append(place)
    return torch.tensor(np.array(drawn, dtype=np.int64)), torch.tensor(places)


def tile(images: Tensor) -> Tensor:
    """Return grids of images.

    Args:
        images: (N, grid * grid, C, H, W), the cells row by row.

    Returns:
        (N, C, grid * H, grid * W).

    Raises:
        InputError: The images are not planar, or their number is no square.
    """
    grid = round(images.shape[1] ** 0.5)
    if images.dim() != 5 or grid**2 != images.shape[1]:
        raise InputError(
            f"a grid is made of images (N, grid * grid, C, H, W), found {tuple(images.shape)}"
        )
    rows: Tensor = images.unflatten(1, (grid, grid))
    return rows.permute(0, 3, 1, 4, 2, 5).flatten(2, 3).flatten(3, 4)


def grid_pointing_game(maps: Tensor, cells: Tensor, *, grid: int = 2) -> Tensor:
    """Return the fraction of each map's sum that lies in one cell of a grid of images.

    This is the localisation metric of Böhle et al. 2021 (CoDA-Nets, arXiv 2104.00032), named so by
    Rao et al. 2022 (arXiv 2205.10435), which take the positive part of signed attributions; maps
    here are absolute values.

    Args:
        maps: Saliency maps (N, H, W) of grids of images, for the class in the cell, non-negative.
        cells: int64 (N,), from 0, row by row; -1 for a grid that does not count.
        grid: Cells along each side.

    Returns:
        float32 (N,), from 0 to 1; NaN for a grid that does not count. A constant map has the
        chance level 1 / grid^2.

    Raises:
        InputError: ``maps`` are no saliency maps (`check_maps`) or smaller than the grid, or
            ``cells`` are not one integer of the range for each.
    """
    check_maps(maps, planar=True)
    if cells.shape != (len(maps),) or cells.dtype != torch.int64:
        raise InputError(
            f"the cells of {len(maps)} maps must be int64 of shape ({len(maps)},), found "
            f"{cells.dtype} of shape {tuple(cells.shape)}"
        )
    if len(cells) and not -1 <= int(cells.min()) <= int(cells.max()) < grid * grid:
        raise InputError(
            f"the cells of a grid of {grid} x {grid} images are 0 to {grid * grid - 1}, or -1 for "
            f"none; found {int(cells.min())} to {int(cells.max())}"
        )
    height, width = maps.shape[1:]
    numbers = cell_numbers(height, width, grid).to(maps.device)
    return energy_inside(maps, numbers == cells.to(maps.device).view(-1, 1, 1))
