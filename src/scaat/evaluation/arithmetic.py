"""Float32 that is float32 on GPUs, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Let cuDNN convolve float32 as float32 meanwhile.

    Unless it is told otherwise torch lets convolutions, but no products of matrices, round their
    inputs to TensorFloat-32. That is a relative error of 0.0005, and the decays of a faithful
    map's curve are smaller.
    """
    cudnn: Any = torch.backends.cudnn
    place, name, exact = cudnn, "allow_tf32", cast(Any, False)
    if hasattr(cudnn, "conv"):  # since torch 2.9, which refuses to mix it with the older name
        place, name, exact = cudnn.conv, "fp32_precision", "ieee"
    before = getattr(place, name)
    setattr(place, name, exact)
    try:
        yield
    finally:
        setattr(place, name, before)
