from __future__ import annotations

import pytest
import torch

from scaat.errors import InputError
from scaat.functional.grid import cell_numbers, draw_grids, grid_pointing_game, tile


def test_cells_are_counted_row_by_row() -> None:
    expected = [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    assert cell_numbers(4, 4, 2).tolist() == expected
    counts = cell_numbers(7, 9, 4).flatten().bincount()
    sizes = [rows * columns for rows in (2, 2, 2, 1) for columns in (3, 2, 2, 2)]
    assert counts.tolist() == sizes
    with pytest.raises(InputError, match=r"4 x 4 cells does not fit images of 3 x 9 pixels"):
        cell_numbers(3, 9, 4)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_a_grid_holds_the_image_and_others_of_other_classes(classes: int) -> None:
    labels = torch.arange(40) % classes
    ids = torch.tensor([3, 11, 12, 30])
    members, cells = draw_grids(labels, ids, seed=5)
    for own, row, cell in zip(ids.tolist(), members, cells, strict=True):
        assert row[cell] == own
        others = labels[torch.cat([row[:cell], row[cell + 1 :]])]
        assert labels[own] not in others
        assert len(others.unique()) == min(3, classes - 1)
    alone = draw_grids(labels, ids[2:3], seed=5)  # the grid is that of the image
    assert torch.equal(alone[0], members[2:3])
    assert not torch.equal(draw_grids(labels, ids, seed=6)[0], members)
    assert draw_grids(labels, torch.arange(40))[1].unique().tolist() == [0, 1, 2, 3]


def test_grids_need_two_classes_and_two_cells() -> None:
    with pytest.raises(InputError, match="two classes or more, found one"):
        draw_grids(torch.zeros(9, dtype=torch.int64), torch.arange(2))
    with pytest.raises(InputError, match="2 cells or more along a side, found 1"):
        draw_grids(torch.arange(9), torch.arange(2), grid=1)


def test_tiles_lie_row_by_row() -> None:
    images = torch.rand(2, 9, 3, 4, 5)
    grids = tile(images)
    assert grids.shape == (2, 3, 12, 15)
    numbers = cell_numbers(12, 15, 3)
    for cell in range(9):
        found = grids[:, :, numbers == cell].view(2, 3, 4, 5)
        assert torch.equal(found, images[:, cell])


@pytest.mark.parametrize("shape", [(2, 3, 1, 4, 4), (2, 4, 1, 8)])
def test_tiles_need_a_square_number_of_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="a grid is made of images"):
        tile(torch.rand(shape))


def test_the_fraction_in_a_cell_by_hand() -> None:
    maps = torch.zeros(4, 4, 6)
    maps[0, 0, 5] = 3.0  # cell 1
    maps[0, 3, 0] = 1.0  # cell 2
    maps[1] = 0.2
    found = grid_pointing_game(maps, torch.tensor([1, 3, 0, -1]))
    torch.testing.assert_close(found[:3], torch.tensor([0.75, 0.25, 0.25]))
    assert found[3].isnan()


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (torch.tensor([0, 4]), "are 0 to 3, or -1 for none; found 0 to 4"),
        (torch.tensor([-2, 1]), "found -2 to 1"),
        (torch.tensor([0]), "must be int64"),
        (torch.tensor([0.0, 1.0]), "must be int64"),
    ],
)
def test_wrong_cells_are_named(cells: torch.Tensor, said: str) -> None:
    with pytest.raises(InputError, match=said):
        grid_pointing_game(torch.rand(2, 4, 4), cells)
