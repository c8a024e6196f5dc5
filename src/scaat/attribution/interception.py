"""Other backward rules for a model's activations, however its code calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from scaat.errors import InputError

Rule = Callable[..., Tensor]
"""(function, input, *arguments) -> what takes the place of ``function(input, *arguments)``."""


class Interception(TorchFunctionMode):
    """While entered, rules take the place of functions that are applied to the images' features.

    Hooks on modules, Captum's way, miss functions that a model calls without a module, mix up
    the calls of a module that is used twice, and change the gradients of everything else that
    uses a module's input (a skip connection around a ReLU). Here each call stands for itself:
    ``nn.ReLU()``, ``F.relu(x)``, ``torch.relu(x)``, ``x.relu()`` and ``x.relu_()`` are the same
    function, and those that work in place still do. The model is not touched.

    Attributes:
        used: names of the functions that were replaced.
    """

    def __init__(self, model: nn.Module, rules: Mapping[str, Rule]) -> None:
        """Take the rules by name of the function, as in `torch.nn.functional`.

        Raises:
            InputError: a part of the model is TorchScript, whose functions can't be seen.
        """
        super().__init__()
        for name, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                raise InputError(
                    f"module {name or type(module).__name__!r} of the model is TorchScript, whose "
                    "activations cannot be given other gradients; expected a model in Python"
                )
        self.rules = rules
        self.used: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Apply the rule if there is one and the input depends on the images."""
        kwargs = dict(kwargs or {})
        called = getattr(func, "__name__", "")
        name = called.removesuffix("_")
        value = args[0] if args else kwargs.get("input")
        # The parameters need no gradient here: what does comes from the images.
        if name not in self.rules or not isinstance(value, Tensor) or not value.requires_grad:
            return func(*args, **kwargs)
        if kwargs.get("return_indices"):  # two results, where a rule gives one
            return func(*args, **kwargs)
        self.used.add(name)
        kwargs.pop("input", None)
        in_place = kwargs.pop("inplace", False) or called != name
        function = getattr(F, name, None) or getattr(torch, name)
        result = self.rules[name](function, value, *args[1:], **kwargs)
        return value.copy_(result) if in_place else result
