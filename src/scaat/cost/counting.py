"""Floating-point operations of a step: forward, to the inputs and to the weights apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

_ATEN = torch.ops.aten

_LIKE = {  # what a CPU computes attention with has no formula of its own in torch
    "_scaled_dot_product_flash_attention_for_cpu": _ATEN._scaled_dot_product_flash_attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": (
        _ATEN._scaled_dot_product_flash_attention_backward
    ),
}


@dataclass(frozen=True)
class Operations:
    """What a step computes, in floating-point operations or, divided, in passes.

    Attributes:
        forward: Outside any backward pass.
        input_gradient: In backward passes, through the layers: towards the inputs.
        weight_gradient: In backward passes, to the weights.
    """

    forward: float = 0.0
    input_gradient: float = 0.0
    weight_gradient: float = 0.0

    @property
    def total(self) -> float:
        """All together."""
        return self.forward + self.input_gradient + self.weight_gradient

    def __truediv__(self, unit: float) -> Operations:
        """Return each as a multiple of ``unit``."""
        return Operations(
            self.forward / unit, self.input_gradient / unit, self.weight_gradient / unit
        )


class FlopCounter(TorchDispatchMode):
    """Count the floating-point operations of what runs inside, gradients included.

    Counted are convolutions, matrix products and attention, an addition and a multiplication as two
    operations. Everything that runs is counted and nothing else: standard training does not compute
    the first layer's gradient with respect to the images, a saliency map and a search do.

    In a backward pass, a product with a weight (or with what is computed from weights alone, such
    as a transposed or cast one) carries a gradient through a layer; a convolution or a product of
    two matrices of other values is the gradient of a weight; a product of two activations, as
    attention has, carries gradients to both. Only a model that multiplies by weights in batches
    (``bmm``, ``einsum``) or recomputes its forward pass in the backward one (checkpointing) has
    some of these counted as gradients towards the inputs; the total stays right.

    torch's own counter hooks modules, which the objectives' private passes go around, and counts
    the weight gradients of grouped convolutions once for every group.

    Args:
        model: Whose parameters and buffers are the weights; without it only `total` is right.
    """

    def __init__(self, model: nn.Module | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counts = [0, 0, 0]  # in the order of the kinds in `Operations`
        self._weights: dict[int, StorageWeakRef] = {}
        if model is not None:
            for tensor in (*model.parameters(), *model.buffers()):
                self._note(tensor)

    @property
    def operations(self) -> Operations:
        """Those counted so far, by kind."""
        return Operations(*map(float, self._counts))

    @property
    def total(self) -> int:
        """All operations so far."""
        return sum(self._counts)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and count it."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        tensors = list(_tensors((args, kwargs)))
        from_weights = [self._is_weight(tensor) for tensor in tensors]
        if tensors and all(from_weights):
            for tensor in _tensors(out):
                self._note(tensor)
        counted = _count(func.overloadpacket, args, kwargs, out, any(from_weights))
        self._counts = [sum(pair) for pair in zip(self._counts, counted, strict=True)]
        return out

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self._weights[storage._cdata] = StorageWeakRef(storage)

    def _is_weight(self, tensor: Tensor) -> bool:
        reference = self._weights.get(tensor.untyped_storage()._cdata)
        # The address of a storage that is gone may have gone to another one.
        return reference is not None and not reference.expired()


def count_operations(step: Callable[[], object], model: nn.Module) -> Operations:
    """Return the floating-point operations of what a call computes; see `FlopCounter`.

    Args:
        step: Run once. What ``torch.compile`` made of a model hides its operations.
        model: The model whose weights it uses.
    """
    counter = FlopCounter(model)
    with counter:
        step()
    return counter.operations


def _count(packet: Any, args: Any, kwargs: Any, out: Any, has_weight: bool) -> tuple[int, int, int]:
    """Return the operations of one call by kind: one kind, or both gradients of a convolution."""
    if packet is _ATEN.convolution_backward:
        # Every product of the forward pass has one in each gradient that is wanted.
        gradient, images, weight, _bias_sizes, *settings, wanted = args
        count = flop_registry[_ATEN.convolution](images, weight, None, *settings, out_val=gradient)
        return 0, count * wanted[0], count * wanted[1]
    formula = flop_registry.get(_LIKE.get(packet.__name__, packet))
    if formula is None:
        return 0, 0, 0
    count = formula(*args, **kwargs, out_val=out)
    if torch._C._current_graph_task_id() == -1:  # outside a backward pass
        return count, 0, 0
    if has_weight or packet not in (_ATEN.convolution, _ATEN.mm, _ATEN.addmm):
        return 0, count, 0
    return 0, 0, count


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_iter(tree) if isinstance(leaf, Tensor))
