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

    Counted are convolutions, matrix products and attention, an addition and a multiplication as
    two operations. Everything that runs is counted and nothing else: standard training does not
    compute the first layer's gradient with respect to the images, so it is not in its count,
    while a saliency map and a search do compute it.

    In a backward pass, a product with a weight (or with what is computed from weights alone, such
    as a transposed or cast one) carries a gradient through a layer; a convolution or a product of
    two matrices of other values is the gradient of a weight; a product of two activations, as
    attention has, carries gradients to both. Only a model that multiplies by weights in batches
    (``bmm``, ``einsum``) or recomputes its forward pass in the backward one (checkpointing) has
    some of these counted as gradients towards the inputs; the total stays right.

    torch's own counter hooks modules, which the objectives' private passes go around, and counts
    the weight gradients of grouped convolutions once for every group.

    Args:
        model: Whose parameters and buffers are the weights; without it no weight is known, and
            the parts of a backward pass cannot be distinguished: `total` is right all the same.

    Attributes:
        operations: Counted so far.
    """

    def __init__(self, model: nn.Module | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = Operations()
        self._weights: dict[int, StorageWeakRef] = {}
        if model is not None:
            for tensor in (*model.parameters(), *model.buffers()):
                self._note(tensor)

    @property
    def total(self) -> int:
        """All operations so far."""
        return int(self.operations.total)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and count it."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        tensors = list(_tensors((args, kwargs)))
        from_weights = [self._is_weight(tensor) for tensor in tensors]
        if tensors and all(from_weights):
            for tensor in _tensors(out):
                self._note(tensor)
        self.operations = _added(
            self.operations, _count(func.overloadpacket, args, kwargs, out, any(from_weights))
        )
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


def _count(packet: Any, args: Any, kwargs: Any, out: Any, has_weight: bool) -> Operations:
    """Return the operations of one call, as the one kind that it is; a convolution's as both."""
    backward = torch._C._current_graph_task_id() != -1  # that is outside one
    if packet is _ATEN.convolution_backward:
        return _convolution_backward(*args)
    formula = flop_registry.get(_LIKE.get(packet.__name__, packet))
    if formula is None:
        return Operations()
    count = formula(*args, **kwargs, out_val=out)
    if not backward:
        return Operations(forward=count)
    if has_weight or packet not in (_ATEN.convolution, _ATEN.mm, _ATEN.addmm):
        return Operations(input_gradient=count)
    return Operations(weight_gradient=count)


def _convolution_backward(
    gradient: Tensor,
    images: Tensor,
    weight: Tensor,
    _bias_sizes: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    wanted: tuple[bool, bool, bool],
) -> Operations:
    """Return as many operations as the convolution has, for each gradient that is wanted.

    Every product of the forward pass has one in each of them.
    """
    settings = (stride, padding, dilation, transposed, output_padding, groups)
    count = flop_registry[_ATEN.convolution](images, weight, None, *settings, out_val=gradient)
    return Operations(0.0, count * wanted[0], count * wanted[1])


def _added(one: Operations, other: Operations) -> Operations:
    return Operations(
        one.forward + other.forward,
        one.input_gradient + other.input_gradient,
        one.weight_gradient + other.weight_gradient,
    )


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_iter(tree) if isinstance(leaf, Tensor))
