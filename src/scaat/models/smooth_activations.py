"""Smooth activations in place of ReLUs: ``silu:MODEL``."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from scaat.errors import InputError
from scaat.models.recipes import Recipe


def with_silu(name: str, find: Callable[[str], Recipe]) -> Recipe:
    """Return the recipe of a network with SiLUs in place of its ReLUs.

    A ReLU's gradient jumps where its input changes sign, a SiLU's does not. The replacement is that
    of Xie, Tan, Gong, Yuille and Le, "Smooth Adversarial Training", 2020, arXiv:2006.14536. Here it
    is a baseline: clean maps by another network instead of another training.

    Args:
        name: Of the network.
        find: Returns its recipe.

    Raises:
        InputError: As for ``find``. When the network is built: it has no `torch.nn.ReLU`.
    """

    def change(network: nn.Module, _: Tensor) -> None:
        if not replace_relus(network):
            raise InputError("the network has no torch.nn.ReLU to replace by a SiLU")

    return find(name).changed(f"silu:{name}", change)


def replace_relus(network: nn.Module) -> int:
    """Put a SiLU in the place of each `torch.nn.ReLU`, and return how many there were.

    ReLUs that a network calls as a function are not found.
    """
    places = [
        (parent, name)
        for parent in network.modules()
        for name, child in parent.named_children()
        if type(child) is nn.ReLU
    ]
    for parent, name in places:
        setattr(parent, name, nn.SiLU())
    return len(places)
