from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from scaat.data import ImageSet, identity, image_set, to_float
from scaat.data.image_set import MappedPixels, Pixels, channel_statistics
from scaat.errors import InputError


def numbered(count: int = 23) -> ImageSet:
    """Image i has the pixel value i, the label i % 3 and the group i // 2."""
    index = torch.arange(count)
    return ImageSet(
        index.to(torch.uint8).view(-1, 1, 1, 1).repeat(1, 3, 4, 5),
        index % 3,
        ("a", "b", "c"),
        masks=(index % 2 == 1).view(-1, 1, 1).repeat(1, 4, 5),
        boxes=index.float().view(-1, 1).repeat(1, 4),
        groups=index // 2,
    )


def test_properties() -> None:
    images = numbered()
    assert (len(images), images.num_classes, images.channels) == (23, 3, 3)
    assert images.image_size == (4, 5)


def test_item_and_end_of_iteration() -> None:
    images = numbered(3)
    image, label, index = images[-1]
    assert (image.shape, image.dtype, int(image[0, 0, 0])) == ((3, 4, 5), torch.uint8, 2)
    assert (int(label), label.dtype) == (2, torch.int64)
    assert (int(index), index.dtype) == (2, torch.int64)
    with pytest.raises(IndexError):
        images[3]


@pytest.mark.parametrize("workers", [0, 2])
def test_index_points_at_the_same_image_through_a_shuffling_loader(workers: int) -> None:
    images = numbered()
    loader = DataLoader(
        images, batch_size=5, shuffle=True, collate_fn=identity, num_workers=workers
    )
    orders = []
    for _ in range(2):
        batches = list(loader)
        assert [len(batch[0]) for batch in batches] == [5, 5, 5, 5, 3]
        for pixels, labels, index in batches:
            assert index.dtype == torch.int64
            assert torch.equal(pixels[:, 0, 0, 0].long(), index)
            assert torch.equal(labels, index % 3)
        orders.append(torch.cat([index for _, _, index in batches]))
        assert torch.equal(orders[-1].sort().values, torch.arange(23))
    assert not torch.equal(*orders)


def test_subset_gathers_everything_and_indexes_anew() -> None:
    part = numbered().subset([7, 2, 11])
    assert part.images[:, 0, 0, 0].tolist() == [7, 2, 11]
    assert part.labels.tolist() == [1, 2, 2]
    assert part.masks is not None
    assert part.masks[:, 0, 0].tolist() == [True, False, True]
    assert part.boxes is not None
    assert part.boxes[:, 3].tolist() == [7, 2, 11]
    assert part.groups is not None
    assert part.groups.tolist() == [3, 1, 5]
    assert [int(index) for _, _, index in part] == [0, 1, 2]


def test_to_float_spans_zero_to_one() -> None:
    assert to_float(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx(
        [0, 0.2, 1]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(2, 3, 4, 5)}, "images are torch.float32"),
        ({"images": torch.zeros(2, 2, 4, 5, dtype=torch.uint8)}, "expected .N, C, H, W."),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "labels are .* of shape .3,."),
        ({"labels": torch.tensor([0, 2])}, "labels hold 2; expected class ids from 0 to 1"),
        ({"labels": torch.tensor([-1, 0])}, "labels hold -1"),
        ({"masks": torch.zeros(2, 5, 4, dtype=torch.bool)}, "masks are"),
        ({"boxes": torch.zeros(2, 4, dtype=torch.int64)}, "boxes are"),
        ({"groups": torch.zeros(2)}, "groups are"),
    ],
)
def test_bad_tensors(change: dict[str, torch.Tensor], message: str) -> None:
    good = {
        "images": torch.zeros(2, 3, 4, 5, dtype=torch.uint8),
        "labels": torch.tensor([0, 1]),
    }
    with pytest.raises(InputError, match=message):
        ImageSet(**{**good, **change}, classes=("a", "b"))


class Counted(Pixels):
    """Image i has the pixel value i; what was read is noted."""

    def __init__(self, count: int) -> None:
        self.shape = (count, 3, 4, 5)
        self.reads: list[list[int]] = []

    def read(self, positions: torch.Tensor) -> torch.Tensor:
        self.reads.append(positions.tolist())
        return positions.to(torch.uint8).view(-1, 1, 1, 1).repeat(1, 3, 4, 5)


def test_pixels_are_read_when_asked_for_and_equal_those_in_memory() -> None:
    memory = numbered()
    source = Counted(23)
    lazy = replace(memory, images=source)
    assert (len(lazy), lazy.channels, lazy.image_size) == (23, 3, (4, 5))
    chosen = [7, 2, 11, 20]
    first, expected = lazy.subset(chosen), memory.subset(chosen)
    second = first.subset([3, 0])
    assert source.reads == []
    assert torch.equal(first.pixels(), expected.pixels())
    for got, wanted in zip(first.__getitems__([2, 0]), expected.__getitems__([2, 0]), strict=True):
        assert torch.equal(got, wanted)
    assert torch.equal(second.pixels(), memory.pixels([20, 7]))
    assert second.labels.tolist() == [20 % 3, 7 % 3]
    image, label, index = first[-1]
    assert (int(image[0, 0, 0]), int(label), int(index)) == (20, 20 % 3, 3)
    assert source.reads == [chosen, [11, 7], [20, 7], [20]]


def test_mapped_images(tmp_path: Path) -> None:
    memory = numbered().pixels()
    np.save(tmp_path / "images.npy", memory.numpy())
    mapped = MappedPixels(tmp_path / "images.npy")
    assert mapped.shape == (23, 3, 4, 5)
    again = pickle.loads(pickle.dumps(mapped.view(torch.tensor([5, 3, 22]))))
    assert len(pickle.dumps(mapped)) < 300
    assert torch.equal(again.read(torch.tensor([2, 0])), memory[[22, 5]])
    with pytest.raises(InputError, match=r"nowhere.npy cannot be mapped as an array"):
        MappedPixels(tmp_path / "nowhere.npy")
    cut = (tmp_path / "images.npy").read_bytes()[:-1]
    (tmp_path / "cut.npy").write_bytes(cut)
    with pytest.raises(InputError, match=r"cut.npy cannot be mapped as an array"):
        MappedPixels(tmp_path / "cut.npy")
    np.save(tmp_path / "float.npy", memory.float().numpy())
    with pytest.raises(InputError, match=r"holds float32 of shape"):
        MappedPixels(tmp_path / "float.npy")


def noise(count: int) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, 5, 4), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.zeros(count, dtype=torch.int64), ("a",))


def test_numpy_agrees_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    given = noise(23)
    mean, std = channel_statistics(given)
    flat = given.images.numpy().transpose(1, 0, 2, 3).reshape(3, -1) / 255
    np.testing.assert_allclose(mean, flat.mean(1), rtol=1e-12)
    np.testing.assert_allclose(std, flat.std(1, ddof=1), rtol=1e-12)
    monkeypatch.setattr(image_set, "CHUNK", 200)  # three images
    assert channel_statistics(given) == (mean, std)


def test_evenly_spaced_images_of_a_large_set(monkeypatch: pytest.MonkeyPatch) -> None:
    given = noise(23)
    monkeypatch.setattr(image_set, "MOST", 5)
    expected = given.subset([0, 4, 9, 13, 18])
    assert channel_statistics(given) == channel_statistics(expected)
