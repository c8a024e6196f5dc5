"""Smoothing of a network's feature maps: ``smoothed:LAYER:MODEL``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scaat.errors import InputError, did_you_mean
from scaat.functional.blur import convolve
from scaat.passes import evaluation_mode


class FeatureSmoothing(nn.Module):
    """Add a blurred 1 x 1 convolution of all feature maps, float (N, channels, H, W), to each.

    The smoothing block of Bhusal, Alam and Rastogi, "Training for Trustworthy Saliency Maps:
    Adversarial Training Meets Feature-Map Smoothing", 2026, arXiv:2603.07302, which is the
    denoising block of Xie et al. (CVPR 2019, arXiv:1812.03411) with a Gaussian filter. The filter
    is one of 3 x 3; its width is, as in the authors' program, that which OpenCV gives a filter as
    large as the feature map: from maps of 16 on it hardly differs from a mean.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        mixed: Tensor = self.mix(blur(features))
        return features + mixed


def blur(features: Tensor) -> Tensor:
    """Return feature maps, float (N, C, H, W), convolved with a Gaussian of 3 x 3.

    Beyond the border lies the border's own row or column, so maps of a single pixel are taken.
    """
    squares = torch.arange(-1, 2, device=features.device, dtype=torch.float32).square()
    kernels = []
    for side in features.shape[-2:]:
        deviation = 0.3 * ((side - 1) / 2 - 1) + 0.8  # 0.5 at a side of 1
        kernels.append(torch.softmax(-squares / (2 * deviation**2), dim=0).to(features.dtype))
    return convolve(features, kernels, mode="replicate")


def smooth_behind(network: nn.Module, images: Tensor, *, layer: str) -> None:
    """Put a `FeatureSmoothing` behind the submodule called ``layer``, in place.

    Images, float (N, C, H, W), are run once, to see how many feature maps there are.

    Raises:
        InputError: There is no such layer, or what it gives are no feature maps (N, C, H, W).
    """
    known = {name: module for name, module in network.named_modules() if name}
    if layer not in known:
        nearest = did_you_mean(layer, known)
        children = ", ".join(name for name, _ in network.named_children())
        raise InputError(
            f"the network has no layer {layer!r}{nearest} to smooth behind; it has {children}"
        )
    outputs: list[object] = []
    hook = known[layer].register_forward_hook(lambda _module, _inputs, out: outputs.append(out))
    with torch.no_grad(), evaluation_mode(network):
        network(images)
    hook.remove()
    features = outputs[0] if outputs else None
    if not isinstance(features, Tensor) or features.dim() != 4:
        kind = f"shape {tuple(features.shape)}" if isinstance(features, Tensor) else "no tensor"
        raise InputError(
            f"layer {layer!r} gives {kind}, expected feature maps (N, C, H, W) to smooth"
        )
    parent, _, name = layer.rpartition(".")
    block = nn.Sequential(known[layer], FeatureSmoothing(features.shape[1]))
    setattr(network.get_submodule(parent), name, block)
