"""VGG-16 (Simonyan and Zisserman 2015), the paper's second architecture."""

from __future__ import annotations

from torch import nn

from scaat.models.registry import models
from scaat.models.resnet18 import SMALL_IMAGE


@models.register("vgg16")
def vgg16(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
    """Torchvision's VGG-16 with batch norm, without which it hardly trains from scratch.

    Below 64 pixels one linear layer on the pooled features takes the place of the head, which
    is made for 7 x 7 maps.
    """
    from torchvision.models import vgg16_bn

    network: nn.Module = vgg16_bn(weights=None, num_classes=num_classes)
    if min(image_size) < SMALL_IMAGE:
        network.avgpool = nn.AdaptiveAvgPool2d(1)
        network.classifier = nn.Linear(512, num_classes)
    return network
