from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from scaat.data import ImageSet
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions, evaluate

QUICK = EvaluationOptions(
    attributions=("gradient",), aopc_steps=2, aopc_repeats=1, bootstrap_resamples=100, examples=1
)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 3)).eval()


def pixels(count: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)


class Pillow(Dataset[Any]):
    """Items as torchvision's data sets give them without a transform."""

    classes = ("a", "b", "c")

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        image = Image.fromarray(self.images[index].permute(1, 2, 0).numpy())
        return image, int(self.labels[index])


@pytest.mark.parametrize("kind", ["float", "uint8", "pillow"])
def test_equals_the_same_images_as_an_image_set(kind: str) -> None:
    images, labels = pixels(), torch.tensor([0, 1, 2, 2, 1, 0])
    datasets: dict[str, Dataset[Any]] = {
        "float": TensorDataset(images / 255, labels),
        "uint8": TensorDataset(images, labels),
        "pillow": Pillow(images, labels),
    }
    expected = evaluate(model(), ImageSet(images, labels, ("a", "b", "c")), QUICK)
    done = evaluate(model(), datasets[kind], QUICK)
    assert done.results["gradient"].metrics == expected.results["gradient"].metrics
    np.testing.assert_array_equal(done.examples["images"], expected.examples["images"])


def test_without_labels_there_is_no_accuracy() -> None:
    images = pixels()
    done = evaluate(model(), TensorDataset(images, torch.full((6,), -1)), QUICK)
    metrics = done.results["gradient"].metrics
    labelled = evaluate(model(), TensorDataset(images, torch.zeros(6).long()), QUICK)
    assert metrics["accuracy"] is None
    assert metrics["auc"] is None
    assert metrics["aopc_lerf"] == labelled.results["gradient"].metrics["aopc_lerf"]
    assert done.answers == {}


def test_one_logit_has_two_classes() -> None:
    images, labels = pixels(), torch.tensor([0, 1, 0, 1, 1, 0])
    network = nn.Sequential(*list(model())[:-1], nn.Linear(144, 1)).eval()
    expected = evaluate(network, ImageSet(images, labels, ("0", "1")), QUICK)
    done = evaluate(network, TensorDataset(images, labels), QUICK)
    assert done.results["gradient"].metrics == expected.results["gradient"].metrics


def test_a_palette_image_is_read_by_its_colours() -> None:
    images, labels = pixels() // 255 * 255, torch.tensor([0, 1, 2, 2, 1, 0])

    class Palette(Pillow):
        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            image, label = super().__getitem__(index)
            return image.quantize(8), label

    done = evaluate(model(), Palette(images, labels), QUICK)
    np.testing.assert_array_equal(
        done.examples["images"],
        evaluate(model(), Pillow(images, labels), QUICK).examples["images"],
    )


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(())


class Items(Dataset[Any]):
    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


FAIR = (torch.zeros(3, 8, 8), 0)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Stream(), "a Stream, which has no length"),
        (Items(), "is empty"),
        (Items({"image": 0}), "item 0 of the data set is a dict"),
        (Items(FAIR, (torch.zeros(3, 9, 8), 0)), r"image 1 of the data set has shape \(3, 9, 8\)"),
        (Items(FAIR, (torch.ones(3, 8, 8) * 2, 0)), "with values from 2 to 2"),
        (Items(FAIR, (FAIR[0], "cat")), "the label of item 1 of the data set is 'cat'"),
        (Items(FAIR, (FAIR[0], 3)), "labels hold 3; expected class ids from 0 to 2"),
        (Items((3.5, 0)), "image 0 of the data set is a float"),
    ],
)
def test_one_sentence_for_wrong_items(dataset: Dataset[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(model(), dataset, QUICK)
