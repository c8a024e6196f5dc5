"""Which arithmetic ``auto`` means on which device."""

from __future__ import annotations

from typing import Literal

import torch
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.plugins import Precision as LightningPlugin

from scaat.training.options import Precision

LightningPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]


def lightning_precision(precision: Precision, accelerator: str = "auto") -> LightningPrecision:
    """Translate an option to Lightning's name for it.

    ``auto`` is bf16 autocast where the device computes it natively: NVIDIA GPUs since Ampere,
    and CPUs with AVX-512 BF16 or AMX. Elsewhere bf16 is emulated and slower than float32.

    Args:
        precision: The option.
        accelerator: Lightning's accelerator; ``auto`` prefers a GPU.
    """
    if precision == "auto":
        precision = "bf16" if _native_bf16(accelerator) else "32"
    names: dict[Precision, LightningPrecision] = {
        "32": "32-true",
        "bf16": "bf16-mixed",
        "16": "16-mixed",
    }
    return names[precision]


def precision_plugin(precision: LightningPrecision, accelerator: str = "auto") -> LightningPlugin:
    """Return Lightning's plugin for an arithmetic.

    It is built here because Lightning's own choice for float16 on a CPU is another one, bf16.

    Args:
        precision: As `lightning_precision` returns it.
        accelerator: Lightning's accelerator; ``auto`` prefers a GPU.
    """
    if precision == "32-true":
        return LightningPlugin()
    gpu = accelerator != "cpu" and torch.cuda.is_available()
    # With float16 it scales the loss and leaves out steps whose gradients overflow.
    return MixedPrecision(precision, "cuda" if gpu else "cpu")


def _native_bf16(accelerator: str) -> bool:
    if accelerator != "cpu" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if accelerator not in ("auto", "cpu"):
        return False
    # Private in torch, and the only place that knows; absent means unknown, hence no.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)
