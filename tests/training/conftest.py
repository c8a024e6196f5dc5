from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from scaat.data import Augmentation, DataSplits, ImageSet


def image_set(count: int, seed: int) -> ImageSet:
    """Noise whose brightness gives the class away, if not entirely."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    noise = torch.randint(0, 130, (count, 3, 12, 12), generator=generator)
    images = (noise + 60 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    return ImageSet(images, labels, ("dark", "grey", "bright"))


def brightness() -> DataSplits:
    """45 training images: with batches of 8 the last one is short."""
    return DataSplits(
        "brightness",
        image_set(45, 0),
        image_set(12, 1),
        image_set(12, 2),
        Augmentation(crop_padding=2, horizontal_flip=True),
        {"seed": 0},
    )


@pytest.fixture
def splits() -> DataSplits:
    return brightness()


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images of 12 x 12 pixels in class folders, for commands."""
    folder = tmp_path_factory.mktemp("images")
    images = image_set(60, 5)
    for number, (image, label, _) in enumerate(images):
        path = folder / images.classes[int(label)] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    return folder
