"""Labelled images, each with its stable index: in memory, or read when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scaat.errors import InputError
from scaat.functional.localisation import box_masks
from scaat.functional.logits import is_multilabel

T = TypeVar("T")
Batch = tuple[Tensor, Tensor, Tensor]
BESIDE = ("labels", "boxes", "masks", "groups")
"""What an `ImageSet` may have for each image beside its pixels."""
MOST = 65_536  # images of which channel statistics are taken, at most
CHUNK = 2**24  # pixel values in memory at once


class Pixels(ABC):
    """Images that are read by position: uint8 (N, C, H, W) in [0, 255].

    Instances pickle small: each worker process reads for itself.

    Attributes:
        shape: N, C, H, W.
        encoded: whether reading decodes, which costs processor time.
    """

    shape: tuple[int, int, int, int]
    encoded = False

    @abstractmethod
    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions, in their order: uint8 (M, C, H, W).

        One that cannot be read is an `InputError` that names it.
        """

    def view(self, positions: Tensor) -> Pixels:
        """Return the images at int64 (M,) positions without reading them."""
        return View(self, positions)


class View(Pixels):
    """The images of ``base`` at ``rows``, int64 (N,)."""

    def __init__(self, base: Pixels, rows: Tensor) -> None:
        self.base = base
        self.rows = rows
        self.shape = (len(rows), *base.shape[1:])
        self.encoded = base.encoded

    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions."""
        return self.base.read(self.rows[positions])

    def view(self, positions: Tensor) -> Pixels:
        """Return some of these; a view of a view is one of the base."""
        return View(self.base, self.rows[positions])


class MappedPixels(Pixels):
    """The images of one memory-mapped ``.npy`` file: uint8 (N, C, H, W), in C order.

    A file that is missing, cut short, or of another type or shape is an `InputError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            mapped = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path} cannot be mapped as an array ({error})") from error
        if mapped.dtype != np.uint8 or mapped.ndim != 4 or not mapped.flags.c_contiguous:
            raise InputError(
                f"{path} holds {mapped.dtype} of shape {mapped.shape}; "
                "expected uint8 (N, C, H, W) in C order"
            )
        self._mapped = np.asarray(mapped)
        self.shape = (mapped.shape[0], mapped.shape[1], mapped.shape[2], mapped.shape[3])

    def read(self, positions: Tensor) -> Tensor:
        """Return the images at int64 (M,) positions, copied from the map."""
        return torch.from_numpy(self._mapped.take(positions.numpy(), axis=0))

    def __reduce__(self) -> tuple[type[MappedPixels], tuple[Path]]:
        return MappedPixels, (self.path,)


@dataclass(frozen=True, eq=False)
class ImageSet(Dataset[Batch]):
    """Labelled images; an item is ``(image, label, index)``.

    ``index`` is the item's position in this set, whatever the sampler, epoch or process.

    Attributes:
        images: uint8 (N, C, H, W) in [0, 255], C = 1 or 3: a tensor in memory, or `Pixels` that
            are read when asked for; `pixels` returns a tensor of either.
        labels: int64 (N,) in [0, len(classes)); all -1 where no label is known. With several
            labels an image float32 (N, len(classes)), 1 for each that is present, else 0.
        classes: the name of each class, or of each label.
        masks: bool (N, H, W), the pixels that make the class, where that is known.
        boxes: float32 (N, 4), the object as x0, y0, x1, y1 in pixels, where that is known.
        groups: int64 (N,); items of one group (a patient, a tissue tile) stay in one split.

    Raises:
        InputError: a tensor has another type or shape, or a label is out of range.
    """

    images: Tensor | Pixels
    labels: Tensor
    classes: tuple[str, ...]
    masks: Tensor | None = None
    boxes: Tensor | None = None
    groups: Tensor | None = None

    def __post_init__(self) -> None:
        if len(self.images.shape) != 4 or self.images.shape[1] not in (1, 3):
            raise InputError(
                f"images have shape {tuple(self.images.shape)}; expected (N, C, H, W), C 1 or 3"
            )
        count, _, *size = self.images.shape
        labels = (count, len(self.classes)) if self.is_multilabel else (count,)
        for name, dtype, shape in (
            ("images", torch.uint8, self.images.shape),
            ("labels", torch.float32 if self.is_multilabel else torch.int64, labels),
            ("masks", torch.bool, (count, *size)),
            ("boxes", torch.float32, (count, 4)),
            ("groups", torch.int64, (count,)),
        ):
            value = getattr(self, name)
            if isinstance(value, Tensor) and (value.dtype != dtype or value.shape != shape):
                raise InputError(
                    f"{name} are {value.dtype} of shape {tuple(value.shape)}; "
                    f"expected {dtype} of shape {tuple(shape)}"
                )
        if self.is_multilabel:
            if not ((self.labels == 0) | (self.labels == 1)).all():
                raise InputError("labels hold other values, expected 0 or 1 for each label")
            return
        bad = (self.labels < 0) | (self.labels >= len(self.classes))
        if bad.any() and self.has_labels:
            raise InputError(
                f"labels hold {int(self.labels[bad][0])}; "
                f"expected class ids from 0 to {len(self.classes) - 1}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        """Return one item: uint8 (C, H, W), its label or labels, int64 ()."""
        position = range(len(self))[index]  # raises IndexError at the end, as iteration needs
        image = self.pixels([position])[0]
        return image, self.labels[position], torch.tensor(position)

    def __getitems__(self, indices: list[int]) -> Batch:
        """Return one collated batch; a `DataLoader` calls this with ``collate_fn=identity``."""
        index = torch.as_tensor(indices, dtype=torch.int64)
        return self.pixels(index), self.labels[index], index

    def pixels(self, indices: Tensor | Sequence[int] | None = None) -> Tensor:
        """Return the images at these positions, or all, as a tensor: uint8 (M, C, H, W)."""
        if indices is None:
            if isinstance(self.images, Tensor):
                return self.images
            indices = range(len(self))
        index = torch.as_tensor(indices, dtype=torch.int64)
        return self.images[index] if isinstance(self.images, Tensor) else self.images.read(index)

    def subset(self, indices: Tensor | Sequence[int]) -> ImageSet:
        """Return the set of these positions, in this order, indexed from 0.

        Images that are not in memory are not read.
        """
        index = torch.as_tensor(indices, dtype=torch.int64)
        images = self.images
        chosen = images[index] if isinstance(images, Tensor) else images.view(index)
        beside = {k: value[index] for k in BESIDE if (value := getattr(self, k)) is not None}
        return replace(self, images=chosen, **beside)

    @property
    def is_encoded(self) -> bool:
        """Whether the images are decoded each time that they are read."""
        return isinstance(self.images, Pixels) and self.images.encoded

    @property
    def is_multilabel(self) -> bool:
        """Whether an image has several labels, each present or absent."""
        return is_multilabel(self.labels)

    def of_label(self, number: int) -> ImageSet:
        """Return the images with one of several labels as two classes: absent and present."""
        labels, classes = self.labels[:, number].long(), absent_and_present(self.classes[number])
        return replace(self, labels=labels, classes=classes)

    @property
    def has_labels(self) -> bool:
        """Whether the classes of the images are known."""
        return not len(self.labels) or bool((self.labels != -1).any())

    @property
    def has_objects(self) -> bool:
        """Whether it is known where in each image the object is: masks or boxes."""
        return self.masks is not None or self.boxes is not None

    def object_masks(self) -> Tensor | None:
        """Return the masks, or else the boxes as masks, bool (N, H, W); None without either."""
        if self.masks is not None or self.boxes is None:
            return self.masks
        return box_masks(self.boxes, *self.image_size)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @property
    def channels(self) -> int:
        """The number of channels C of an image."""
        return self.images.shape[1]

    @property
    def image_size(self) -> tuple[int, int]:
        """The height and width of every image, in pixels."""
        return self.images.shape[2], self.images.shape[3]


def joined(parts: Sequence[ImageSet]) -> ImageSet:
    """Return the images of several sets of one kind as one set in memory."""
    sizes = {(part.channels, *part.image_size) for part in parts}
    if len(sizes) > 1:
        raise InputError("the parts of the data have images of different sizes; set image_size")
    pixels = torch.cat([part.pixels() for part in parts])
    beside: dict[str, Tensor] = {}
    for name in ("labels", "masks", "boxes"):
        values = [getattr(part, name) for part in parts]
        if all(value is not None for value in values):
            beside[name] = torch.cat(values)
    return ImageSet(pixels, classes=parts[0].classes, **beside)


def absent_and_present(label: str) -> tuple[str, str]:
    """Return the names of the two classes that one label makes."""
    return f"not {label}", label


def identity(batch: T) -> T:
    """Return the batch as it is: the ``collate_fn`` of a loader over an `ImageSet`."""
    return batch


def to_float(images: Tensor) -> Tensor:
    """Return uint8 images of any shape as float32 in [0, 1]."""
    return images.float() / 255


def spaced(count: int, most: int) -> Tensor:
    """Return evenly spaced positions among ``count``, int64, at most so many."""
    chosen = min(count, most)
    return torch.arange(chosen) * count // max(1, chosen)


def channel_statistics(images: ImageSet) -> tuple[list[float], list[float]]:
    """Return each channel's mean and unbiased standard deviation, in [0, 1].

    Integer histograms make them identical for every way of loading. Of more than 65,536 images, as
    many evenly spaced ones are read.
    """
    size = max(1, CHUNK // (images.channels * images.image_size[0] * images.image_size[1]))
    histogram = torch.zeros(images.channels, 256, dtype=torch.int64)
    for part in torch.split(spaced(len(images), MOST), size):
        pixels = images.pixels(part).transpose(0, 1).flatten(1)
        histogram += torch.stack([channel.bincount(minlength=256) for channel in pixels])
    values = torch.arange(256)
    total = histogram.sum(1).double()
    mean = (histogram * values).sum(1) / total
    # Around the mean: E[x²] - E[x]² would lose precision.
    spread = (histogram * (values - mean.unsqueeze(1)) ** 2).sum(1) / (total - 1)
    return (mean / 255).tolist(), (spread.sqrt() / 255).tolist()


def class_counts(labels: Tensor, count: int) -> list[int]:
    """Return how many images each of ``count`` classes, or labels, has; unknown ones have none."""
    if is_multilabel(labels):
        return [int(images) for images in labels.sum(0)]
    counts: list[int] = labels[labels >= 0].bincount(minlength=count).tolist()
    return counts
