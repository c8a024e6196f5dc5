"""Input gradients: where they are switched off, and without underflow in half precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def gradients_enabled() -> Iterator[None]:
    """Let gradients be computed under ``torch.no_grad`` and ``torch.inference_mode``, too.

    Tensors that inference mode made must be copied before they take part in a graph.
    """
    with torch.inference_mode(False), torch.enable_grad():
        yield


def input_gradient(
    value: Callable[[Tensor], Tensor],
    logits: Tensor,
    inputs: Tensor,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> Tensor:
    """Differentiate a function of the logits with respect to the inputs.

    The smallest positive float16 is 6e-8, above the gradients of a confident prediction. From
    float16 logits on the gradient is therefore scaled by a power of two, then unscaled.

    Args:
        value: Maps logits (N, classes) to one number.
        logits: Output for ``inputs``, with its graph.
        inputs: The leaf that ``logits`` was computed from, requiring gradients.
        retain_graph: Keep the graph, for another gradient of the same logits.
        create_graph: Return a differentiable gradient, and keep the graph.

    Returns:
        The gradient, with the shape and dtype of ``inputs``; float32 for float16 logits.
    """
    retain_graph = retain_graph or create_graph
    if logits.dtype != torch.float16:
        return torch.autograd.grad(
            value(logits), inputs, retain_graph=retain_graph, create_graph=create_graph
        )[0]
    raised = logits.float() if create_graph else logits.detach().float().requires_grad_()
    (outer,) = torch.autograd.grad(value(raised), raised, create_graph=create_graph)
    # The largest entry becomes at least one half, which leaves room for sums below 65,504.
    exponent = torch.frexp(outer.detach().abs().max()).exponent
    scaled = torch.ldexp(outer, -exponent).half()
    (gradient,) = torch.autograd.grad(
        logits, inputs, scaled, retain_graph=retain_graph, create_graph=create_graph
    )
    return torch.ldexp(gradient.float(), exponent)
