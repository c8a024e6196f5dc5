"""From what a network returns to logits: adapters for networks with several outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.logits import class_logits
from scaat.models.recipes import import_named
from scaat.registry import Registry

Adapter = Callable[[Any], Tensor]
"""Maps a network's output, of whatever kind, to logits of shape (N, classes)."""

adapters: Registry[Adapter] = Registry("adapter")

_KEYS = ("logits", "out", "output")


@adapters.register("auto")
def auto(output: Any) -> Tensor:
    """Return a tensor as it is, ``.logits``, the logits of a dictionary, or the first of several.

    The attribute ``logits`` is that of Hugging Face's outputs and of torchvision's GoogLeNet and
    Inception in training, whose auxiliary logits are left out. A dictionary's logits stand under
    ``logits``, ``out`` or ``output``.
    """
    if isinstance(output, Tensor):
        return output
    logits = getattr(output, "logits", None)
    if logits is None and isinstance(output, Mapping):
        logits = next((output[key] for key in _KEYS if key in output), None)
    elif logits is None and isinstance(output, tuple | list) and output:
        logits = output[0]
    if isinstance(logits, Tensor):
        return logits
    raise InputError(
        f"the network returns {_described(output)}, in which adapter 'auto' finds no logits; "
        "expected a tensor, .logits, a dictionary with 'logits', or a tuple that begins with "
        "them, or an adapter of your own (package.module:function)"
    )


@adapters.register("mean")
def mean(output: Any) -> Tensor:
    """Return the mean over several heads' logits; a tensor as it is.

    For networks that are distilled by a second head (DeiT), which average in evaluation alone.
    """
    if isinstance(output, Tensor):
        return output
    if not (
        isinstance(output, tuple | list)
        and output
        and all(isinstance(part, Tensor) and part.shape == output[0].shape for part in output)
    ):
        raise InputError(
            f"the network returns {_described(output)}, but adapter 'mean' expects a tensor or "
            "several of one shape"
        )
    return torch.stack(list(output)).mean(0)


def find_adapter(name: str) -> Adapter:
    """Return the adapter of a registered name, or of ``package.module:function``.

    Raises:
        InputError: The name is unknown, or the function cannot be imported.
    """
    if ":" not in name:
        return adapters[name]
    adapter = import_named("adapter", name)
    if not callable(adapter):
        raise InputError(
            f"adapter {name!r} is {type(adapter).__name__}, expected a function of the network's "
            "output"
        )
    function: Adapter = adapter
    return function


class Logits(nn.Module):
    """The last layer of a model: an adapter by its name, as for `find_adapter`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.adapter = find_adapter(name)

    def forward(self, output: Any) -> Tensor:
        """Map the network's output to logits (N, classes); one logit counts as two."""
        logits = self.adapter(output)
        if not isinstance(logits, Tensor):
            raise InputError(
                f"adapter {self.name!r} returns {_described(logits)}, expected a tensor of logits"
            )
        return class_logits(logits)


def _described(output: Any) -> str:
    if isinstance(output, Mapping):
        return f"a dictionary with {', '.join(map(repr, output)) or 'nothing'}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {', '.join(type(o).__name__ for o in output)}"
    return f"a {type(output).__name__}"
