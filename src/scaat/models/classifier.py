"""The model around a network: normalisation, resizing, and which of its parts train."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.errors import InputError, did_you_mean


class Normalize(nn.Module):
    """Subtract a mean and divide by a deviation, channel by channel.

    Args:
        mean: One value a channel, in units of the images.
        std: One positive value a channel.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(list(mean)).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(list(std)).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W), series or volumes to normalised ones of the same shape."""
        shape = [-1] + [1] * (images.dim() - 2)
        return (images - self.mean.view(shape)) / self.std.view(shape)


class Resize(nn.Module):
    """Differentiable bilinear interpolation to one size, height and width in pixels."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to (N, C, *size); shrinking averages first (antialias)."""
        shrinks = images.shape[-2] > self.size[0] or images.shape[-1] > self.size[1]
        return F.interpolate(images, size=self.size, mode="bilinear", antialias=shrinks)

    def extra_repr(self) -> str:
        """Return the size, for printing."""
        return f"size={self.size}"


class Classifier(nn.Sequential):
    """Layers from images in [0, 1] to logits, one of them called ``network``.

    Attributes:
        frozen: Names of the submodules that stay in evaluation mode whatever `train` says: a
            frozen batch norm that kept updating would change the function it computes.
        several_outputs: Whether the network returns more than logits in training, so that some
            of its weights may take no part in the loss.
    """

    def __init__(self, layers: OrderedDict[str, nn.Module]) -> None:
        super().__init__(layers)
        self.frozen: tuple[str, ...] = ()
        self.several_outputs = False

    def network_input(self, images: Tensor) -> Tensor:
        """Return images (N, C, H, W) in [0, 1] as the network gets them: normalised, resized."""
        for name, layer in self.named_children():
            if name == "network":
                break
            images = layer(images)
        return images

    def train(self, mode: bool = True) -> Classifier:
        """Set training or evaluation mode, except for frozen parts."""
        super().train(mode)
        for name in self.frozen:
            self.get_submodule(name).eval()
        return self


def freeze(model: Classifier, trainable: str, num_classes: int) -> None:
    """Let only some parts of a model train.

    The others' parameters take no gradient (gradients still pass through them to the images),
    and submodules without any trainable parameter stay in evaluation mode: batch norm uses and
    keeps its running statistics, dropout is off.

    Args:
        model: Changed in place.
        trainable: ``"all"``; ``"head"``, the layer that gives the logits; or names of the
            network's submodules, separated by commas (``"layer4,fc"``).
        num_classes: Number of logits; identifies the head.

    Raises:
        InputError: A name is not of the network, holds no parameters, or no head is found.
    """
    if trainable == "all":
        return
    network = model.get_submodule("network")
    names = head_names(network, num_classes) if trainable == "head" else _names(network, trainable)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name in names:
        for parameter in network.get_submodule(name).parameters():
            parameter.requires_grad_(True)
    model.frozen = tuple(_frozen_parts(model))
    model.train(model.training)


def head_names(network: nn.Module, num_classes: int) -> list[str]:
    """Return the names of the layers that give the logits; `InputError` if there are none.

    They are what timm's ``get_classifier`` says, and otherwise the last linear layer or convolution
    with ``num_classes`` outputs.
    """
    classifier: Any = getattr(network, "get_classifier", None)
    if classifier is not None:
        heads = classifier()
        heads = heads if isinstance(heads, tuple | list | nn.ModuleList) else [heads]
        modules = {id(module): name for name, module in network.named_modules()}
        known = [modules[id(head)] for head in heads if id(head) in modules]
        if any(True for name in known for _ in network.get_submodule(name).parameters()):
            return known
    last = [
        name
        for name, module in network.named_modules()
        if getattr(module, "out_features", getattr(module, "out_channels", None)) == num_classes
        and isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d)
    ][-1:]
    if not last:
        raise InputError(
            f"trainable is 'head', but no layer of {type(network).__name__} has {num_classes} "
            "outputs; expected names of its submodules"
        )
    return last


def _names(network: nn.Module, trainable: str) -> list[str]:
    known = {
        name
        for name, module in network.named_modules()
        if name and any(True for _ in module.parameters())
    }
    names = [name.strip() for name in trainable.split(",")]
    for name in names:
        if name not in known:
            nearest = did_you_mean(name, ["all", "head", *known])
            raise InputError(
                f"trainable names {name!r}{nearest}, expected all, head or submodules of "
                f"{type(network).__name__} with parameters, such as "
                f"{', '.join(child for child, _ in network.named_children() if child in known)}"
            )
    return names


def _frozen_parts(module: nn.Module, prefix: str = "") -> Iterable[str]:
    """Yield the names of the largest submodules that hold weights, none of which trains."""
    for name, child in module.named_children():
        weights = list(child.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            yield f"{prefix}{name}"
        else:
            yield from _frozen_parts(child, f"{prefix}{name}.")
