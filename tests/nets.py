"""Networks for tests, built by name as a user's own are (``nets:tiny``)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn


def tiny(num_classes: int) -> nn.Module:
    """A convolution with batch norm and dropout, and a linear head."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, num_classes),
    )


def one_logit(num_classes: int) -> nn.Module:
    """One logit for two classes, whatever is asked for."""
    return tiny(1)


def plain(num_classes: int) -> nn.Module:
    """Without batch norm and dropout: a batch's samples do not depend on one another."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, num_classes))


def poolings(num_classes: int) -> nn.Module:
    """Means of the image, three of them as logits."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def pooled_norm(num_classes: int) -> nn.Module:
    """Batch norm over one value an image."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8), nn.Flatten(),
        nn.Linear(8, num_classes),
    )  # fmt: skip


def vit(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
    """A vision transformer, which is made for one size of square images."""
    from torchvision.models import VisionTransformer

    network: nn.Module = VisionTransformer(
        image_size=image_size[0],
        patch_size=4,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=16,
        num_classes=num_classes,
    )
    nn.init.normal_(network.heads.head.weight)  # torchvision's zeros would explain nothing
    return network


def explosive(num_classes: int) -> nn.Module:
    """Overflows after the first update."""
    network = plain(num_classes)
    network[2].weight.data *= 1e30
    return network


def not_a_module(num_classes: int) -> int:
    """What a factory must not return."""
    return num_classes


class Several(nn.Module):
    """Two heads; returns what ``kind`` says in training, plain logits in evaluation."""

    def __init__(self, num_classes: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.body = plain(num_classes)
        self.auxiliary = plain(num_classes)

    def forward(self, images: Tensor) -> Any:
        logits = self.body(images)
        if not self.training:
            return logits
        both = logits, self.auxiliary(images)
        return {
            "tuple": both,
            "dictionary": {"auxiliary": both[1], "logits": both[0]},
            "attribute": SimpleNamespace(auxiliary=both[1], logits=both[0]),
            "foreign": {"scores": both[0]},
        }[self.kind]


def two_heads(num_classes: int) -> nn.Module:
    """A tuple in training: the second head gets no gradient by adapter ``auto``."""
    return Several(num_classes, "tuple")


def dictionary(num_classes: int) -> nn.Module:
    """A dictionary with logits."""
    return Several(num_classes, "dictionary")


def attribute(num_classes: int) -> nn.Module:
    """An object with logits, as Hugging Face's models return it."""
    return Several(num_classes, "attribute")


def foreign(num_classes: int) -> nn.Module:
    """A dictionary whose logits only an adapter of its own finds."""
    return Several(num_classes, "foreign")


def scores(output: Any) -> Tensor:
    """The adapter for `foreign`."""
    found: Tensor = output["scores"] if isinstance(output, dict) else output
    return found


def wrong_adapter(output: Any) -> Any:
    """An adapter that returns no tensor."""
    return [output]


def any_channels(num_classes: int, channels: int) -> nn.Module:
    """Made for grey or colour images."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(num_classes)
    )
