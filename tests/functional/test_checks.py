from __future__ import annotations

import pytest
import torch

from scaat.errors import InputError
from scaat.functional.checks import check_images, check_index, check_labels


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.tensor([[0.5, 1.5]]), r"images lie in \[.*\], expected values in \[0, 1\]"),
        (torch.tensor([[0.5, float("nan")]]), "NaN or infinite"),
        (torch.tensor([[0.5, float("inf")]]), "NaN or infinite"),
        (torch.zeros(2, 3, dtype=torch.uint8), "dtype torch.uint8, expected floating point"),
    ],
)
def test_images(images: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_images(images)


def test_good_images_pass() -> None:
    check_images(torch.tensor([[0.0, 1.0]]))
    check_images(torch.tensor([[-70.0, 3.0]]), bounds=None)
    check_images(torch.empty(0, 3))


@pytest.mark.parametrize(("label", "found"), [(3, 3), (-1, -1)])
def test_labels_and_index(label: int, found: int) -> None:
    values = torch.tensor([0, label])
    with pytest.raises(InputError, match=f"label {found} is out of range, expected 0 to 2"):
        check_labels(values, 3)
    with pytest.raises(InputError, match=f"index {found} is out of range, expected 0 to 2"):
        check_index(values, 3)
    with pytest.raises(InputError, match=r"torch.int32, expected torch.int64"):
        check_labels(values.int(), 5)
