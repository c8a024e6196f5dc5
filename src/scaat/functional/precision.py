"""The precision in which sums and ranks are computed."""

from __future__ import annotations

import torch
from torch import Tensor

_WITHOUT_FLOAT64 = {"mps"}  # types of devices


def widest(device: torch.device) -> torch.dtype:
    """Return float64, or float32 on Apple's GPUs, which do not have it."""
    return torch.float32 if device.type in _WITHOUT_FLOAT64 else torch.float64


def widened(values: Tensor) -> Tensor:
    """Return ``values`` in the widest floating-point type of their device."""
    return values.to(widest(values.device))
