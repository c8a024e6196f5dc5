"""A network that trains in few epochs at a high learning rate, after Jordan's airbench."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.models.registry import models

WIDTHS = (64, 256, 256)
"""Channels of the three groups."""

LEARNING_RATE_OF_BIASES = 64.0
"""Times the weights'; a batch norm's bias is what shifts a GELU's input."""

LOGIT_SCALE = 1 / 9

LEAST_VARIANCE = 5e-4
"""Of normalised images: fainter components are noise, and are amplified no further."""


class Whitening(nn.Module):
    """A fixed 2 x 2 convolution whose outputs are uncorrelated over the training images' patches.

    Each of the ``4 * channels`` principal components of the patches comes twice, with either sign,
    as a GELU follows. Until `fit` is called the components are the patch's own values.

    Args:
        channels: Of the images.
    """

    weight: Tensor

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.register_buffer("weight", _both_signs(torch.eye(4 * channels)))
        self.bias = nn.Parameter(torch.zeros(8 * channels))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Take the components of these images' patches.

        Args:
            images: float32 (N, C, H, W), as the layer gets them: `Classifier.network_input` where
                it is the network's first.
        """
        size = self.weight[0].numel()
        moments, count = torch.zeros(size, size, dtype=torch.float64), 0
        for image in images:  # the patches of all would need much memory
            patches = F.unfold(image, 2).double()
            moments += patches @ patches.T
            count += patches.shape[1]
        variances, components = torch.linalg.eigh(moments / count)
        # An eigenvector's sign is arbitrary. Both are taken: only the order of the outputs varies.
        scaled = components.T / (variances[:, None] + LEAST_VARIANCE).sqrt()
        self.weight.copy_(_both_signs(scaled))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to (N, 8 C, H - 1, W - 1)."""
        return F.conv2d(images, self.weight, self.bias)


def _both_signs(components: Tensor) -> Tensor:
    """Return components (4 C, 4 C) and their negatives as a convolution's weight (8 C, C, 2, 2)."""
    weight = components.unflatten(1, (-1, 2, 2))
    return torch.cat([weight, -weight])


class _Bias(nn.Module):
    """A bias for each channel that learns faster than the weights, under any plain SGD.

    It is kept divided by a factor: its gradient is then larger by the factor, and so is what a
    step changes in the output, which makes it the factor's square.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.factor = LEARNING_RATE_OF_BIASES**0.5
        self.scaled = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        shifted: Tensor = features + self.factor * self.scaled.view(-1, 1, 1)
        return shifted


class _Scale(nn.Module):
    def forward(self, logits: Tensor) -> Tensor:
        return LOGIT_SCALE * logits


def _convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    """Return a 3 x 3 convolution that begins by passing its input on (dirac initialisation)."""
    layer = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight[:channels_in].data)
    return layer


def _norm(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels, affine=False), _Bias(channels), nn.GELU())


@models.register("fast-cnn")
def fast_cnn(num_classes: int, image_size: tuple[int, int]) -> nn.Module:
    """Three groups of two convolutions on whitened 2 x 2 patches; 1.97 M weights, from 9 pixels.

    Jordan 2024, arXiv 2404.00498 (airbench94), without label smoothing, lookahead and test-time
    augmentation; the last pooling takes images of any size. `examples/recipes/cifar10-fast.yaml`
    has the settings that it is for.
    """
    layers: list[nn.Module] = [Whitening(), nn.GELU()]
    channels = 24
    for width in WIDTHS:
        layers += [_convolution(channels, width), nn.MaxPool2d(2), _norm(width)]
        layers += [_convolution(width, width), _norm(width)]
        channels = width
    head = nn.Linear(channels, num_classes, bias=False)
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), head, _Scale())
