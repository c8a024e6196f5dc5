"""Float32 that is float32 on GPUs, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Let cuDNN convolve float32 as float32 meanwhile.

    Unless it is told otherwise torch lets convolutions, but no products of matrices, round their
    inputs to TensorFloat-32. That is a relative error of 0.0005, and the decays of a faithful
    map's curve are smaller.
    """
    cudnn: Any = torch.backends.cudnn
    # Since torch 2.9 convolutions have a setting of their own, not to be mixed with the older one.
    new = hasattr(cudnn, "conv")
    place = cudnn.conv if new else cudnn
    name, exact = ("fp32_precision", "ieee") if new else ("allow_tf32", False)
    before = getattr(place, name)
    setattr(place, name, exact)
    try:
        yield
    finally:
        setattr(place, name, before)
