"""Extra passes through a model that leave no trace on it.

Both views below run the caller's module with other tensors in the place of its own, so its
buffers (batch-norm statistics, power-iteration vectors), gradients and flags never change.
Activation checkpointing is refused: it runs layers again in the backward pass, when the module has
its own tensors back, which would spoil batch-norm statistics.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DataParallel, DistributedDataParallel

from scaat.errors import InputError
from scaat.functional.saliency import Predict

_WRAPPERS = DistributedDataParallel, DataParallel
_NO_CHECKPOINTING = (
    "the model runs with activation checkpointing or another hook on saved tensors, expected one "
    "without: this method's extra passes cannot use it"
)
_VARIANTS = 32  # graphs of one model: passes by gradients, modes and batch sizes


def search_view(model: nn.Module) -> Predict:
    """View for saliency maps and the perturbation search: gradients reach the inputs only.

    Detached parameters build no graph, so a pass keeps nothing for weight gradients.
    """
    return _view(model, detach=True)


def loss_view(model: nn.Module) -> Predict:
    """View for further terms of the loss: gradients reach inputs and parameters."""
    return _view(model, detach=False)


def _view(model: nn.Module, *, detach: bool) -> Predict:
    module = _unwrapped(model)
    tensors = {name: buffer.clone() for name, buffer in module.named_buffers()}
    if detach:
        tensors |= {name: weight.detach() for name, weight in module.named_parameters()}

    def predict(inputs: Tensor) -> Tensor:
        try:
            with torch.autograd.graph.disable_saved_tensors_hooks(_NO_CHECKPOINTING):
                logits: Tensor = functional_call(module, tensors, (inputs,))
        except RuntimeError as error:
            if _NO_CHECKPOINTING not in str(error):
                raise
            raise InputError(_NO_CHECKPOINTING) from None
        return logits

    return predict


def _unwrapped(module: nn.Module) -> nn.Module:
    """Return the module without wrappers for several devices, at its top or inside it.

    Their own forward broadcasts buffers in place, which would spoil the graph of a forward pass
    already made. Their gradient hooks sit on the parameters and still run.
    """
    if isinstance(module, _WRAPPERS):
        inner: nn.Module = module.module
        return inner
    if not any(isinstance(part, _WRAPPERS) for part in module.modules()):
        return module
    compiled = getattr(module, "_orig_mod", None)
    if compiled is not None:  # its forward is bound to the wrapper inside
        return _unwrapped(compiled)
    bare = copy.copy(module)
    bare._modules = {
        name: None if part is None else _unwrapped(part) for name, part in module._modules.items()
    }
    return bare


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode, then give every submodule its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """Let gradients of the passes inside be differentiated themselves.

    A model that ``torch.compile`` made would refuse that: it runs as it is written meanwhile.
    """
    # Of the ways to compute attention only the plain one has a second derivative.
    with sdpa_kernel(SDPBackend.MATH):
        if not _is_compiled(model):
            yield
        else:
            with torch.compiler.set_stance("force_eager"):
                yield


def disable_donated_buffers(model: nn.Module) -> None:
    """Let a forward pass be differentiated in two parts, though ``torch.compile`` made the model.

    A compiled graph otherwise gives its memory away in the first of two backward passes, which
    torch refuses. The setting is torch's own, for the whole process, and asked for when a graph
    is made and when it is differentiated.
    """
    if _is_compiled(model):
        config: Any = importlib.import_module("torch._functorch.config")
        config.donated_buffer = False


def _is_compiled(model: nn.Module) -> bool:
    return any(
        hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None)
        for module in model.modules()
    )


def raise_recompile_limit() -> None:
    """Let ``torch.compile`` make as many graphs of one model as an objective runs variants of it.

    An objective's passes differ in what takes gradients and in mode, and an epoch's last batch in
    its size. Beyond torch's usual limit of 8 it would continue uncompiled without a warning.
    """
    config = importlib.import_module("torch._dynamo").config
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    setattr(config, name, max(getattr(config, name), _VARIANTS))
