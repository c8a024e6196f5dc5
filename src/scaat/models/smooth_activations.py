"""Smooth activations in place of ReLUs: ``silu:MODEL``."""

from __future__ import annotations

from torch import Tensor, nn

from scaat.errors import InputError


def put_silus(network: nn.Module, _: Tensor) -> None:
    """Put a SiLU in the place of each `torch.nn.ReLU`; ReLUs called as functions are not found.

    A ReLU's gradient jumps where its input changes sign, a SiLU's does not. The replacement is that
    of Xie, Tan, Gong, Yuille and Le, "Smooth Adversarial Training", 2020, arXiv:2006.14536. Here it
    is a baseline: clean maps by another network instead of another training. A network without
    `torch.nn.ReLU` is an `InputError`.
    """
    places = [
        (parent, name)
        for parent in network.modules()
        for name, child in parent.named_children()
        if type(child) is nn.ReLU
    ]
    if not places:
        raise InputError("the network has no torch.nn.ReLU to replace by a SiLU")
    for parent, name in places:
        setattr(parent, name, nn.SiLU())
