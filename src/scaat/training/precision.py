"""Which arithmetic ``auto`` means on which device."""

from __future__ import annotations

from typing import Literal

import torch
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.plugins import Precision as LightningPlugin

from scaat.options.training import Precision

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
        precision, _ = automatic_precision(accelerator)
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


def autocast_dtype(precision: LightningPrecision) -> torch.dtype | None:
    """Return what autocast computes in for an arithmetic, or None where it does nothing.

    Args:
        precision: As `lightning_precision` returns it.
    """
    return {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}[precision]


def automatic_precision(accelerator: str = "auto") -> tuple[Literal["bf16", "32"], str]:
    """Return what ``auto`` means here, and why in a few words.

    Args:
        accelerator: Lightning's accelerator; ``auto`` prefers a GPU.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "the GPU computes it natively"
        return "32", "the GPU does not compute bf16 natively"
    if accelerator not in ("auto", "cpu"):
        return "32", f"whether {accelerator!r} computes bf16 natively is not known"
    # Private in torch, and the only place that knows; absent means unknown, hence no.
    checks = {"AVX-512 BF16": "_is_avx512_bf16_supported", "AMX": "_is_amx_tile_supported"}
    found = [name for name, check in checks.items() if getattr(torch.cpu, check, bool)()]
    if found:
        return "bf16", f"the processor computes it natively ({', '.join(found)})"
    return "32", "the processor has neither AVX-512 BF16 nor AMX, so bf16 would be slower"
