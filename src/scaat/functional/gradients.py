"""Gradients with respect to inputs that half precision does not round to nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def input_gradient(
    value: Callable[[Tensor], Tensor],
    logits: Tensor,
    inputs: Tensor,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> Tensor:
    """Differentiate a number made from logits with respect to the inputs.

    float16 ends at 6e-8, below which the gradient of a confident prediction lies. There the
    number is differentiated in float32 up to the logits, and the rest of the way is gone with
    that gradient times a power of two, which is taken out again at the end.

    Args:
        value: Maps logits (N, classes) to one number.
        logits: Output for ``inputs``, with the graph that leads back to them.
        inputs: The leaf that ``logits`` was computed from, requiring gradients.
        retain_graph: Keep the graph, for another gradient of the same logits.
        create_graph: Return a gradient that can be differentiated itself, and keep the graph.

    Returns:
        Of the shape of ``inputs``, in their dtype; float32 for float16 logits.
    """
    retain_graph = retain_graph or create_graph
    if logits.dtype != torch.float16:
        return torch.autograd.grad(
            value(logits), inputs, retain_graph=retain_graph, create_graph=create_graph
        )[0]
    raised = logits.float() if create_graph else logits.detach().float().requires_grad_()
    (outer,) = torch.autograd.grad(value(raised), raised, create_graph=create_graph)
    # The largest entry becomes one half or more: room for a sum over many paths below 65,504.
    exponent = torch.frexp(outer.detach().abs().max()).exponent
    scaled = torch.ldexp(outer, -exponent).half()
    (gradient,) = torch.autograd.grad(
        logits, inputs, scaled, retain_graph=retain_graph, create_graph=create_graph
    )
    return torch.ldexp(gradient.float(), exponent)
