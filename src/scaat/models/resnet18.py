"""ResNet-18 (He et al. 2016), the paper's main architecture."""

from __future__ import annotations

from torch import nn

from scaat.models.registry import models

SMALL_IMAGE = 64
"""Below this side, in pixels, the ImageNet stem would shrink images to almost nothing."""


@models.register("resnet18")
def resnet18(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
    """Torchvision's ResNet-18; below 64 pixels with a 3 x 3 stem of stride 1 and no pooling."""
    from torchvision.models import resnet18 as build

    network: nn.Module = build(weights=None, num_classes=num_classes)
    if min(image_size) < SMALL_IMAGE:
        network.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return network
