"""Networks for tests, built by name as a user's own are (``nets:tiny``)."""

from __future__ import annotations

from torch import nn


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


def plain(num_classes: int) -> nn.Module:
    """Without batch norm and dropout: a batch's samples do not depend on one another."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, num_classes))


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
