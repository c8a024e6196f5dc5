"""The registered networks: the two of the paper, and two small ones for CPUs."""

from __future__ import annotations

from torch import Tensor, nn

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


def convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """Return a 3 x 3 convolution with batch norm and a ReLU that overwrites nothing."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(channels, channels), convolution(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        output: Tensor = features + self.body(features)
        return output


@models.register("small-resnet")
def small_resnet(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
    """Stages of 32, 64 and 128 channels with one, one and two residual blocks; 0.79 M weights.

    Strided convolutions halve the resolution before each stage, so the cost is that of a quarter
    of the pixels; the head averages over positions and takes images of any size.
    """
    return nn.Sequential(
        convolution(3, 32),
        convolution(32, 32, stride=2),
        _Residual(32),
        convolution(32, 64, stride=2),
        _Residual(64),
        convolution(64, 128, stride=2),
        _Residual(128),
        _Residual(128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, num_classes),
    )


BLOCKS = ((16, 2), (32, 2), (64, 4), (128, 4))
"""Channels and convolutions of each block: VGG-19's first four at a quarter of the width."""


@models.register("small-vgg")
def small_vgg(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
    """Twelve convolutions without shortcuts, as VGG (Simonyan and Zisserman 2015); 0.66 M weights.

    As many convolutions as `small_resnet` has, at 22.9 million multiply-adds an image of 32
    pixels to its 24.5. Between the blocks max pooling halves the resolution, rounding up, and
    the head averages over positions, so images of any size are taken. Batch norm follows every
    convolution, without which such a stack hardly trains from scratch.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in BLOCKS:
        if layers:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        for _ in range(depth):
            layers.append(convolution(channels, width))
            channels = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
    )


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
