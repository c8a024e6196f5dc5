"""Which accelerators Lightning knows, and which of them are here."""

from __future__ import annotations

from lightning.pytorch.accelerators import AcceleratorRegistry

from scaat.errors import InputError, unknown

GPUS = ("cuda", "mps")
"""What ``gpu`` may stand for."""


def check_accelerator(name: str) -> None:
    """Refuse an accelerator that Lightning would refuse later, and in more words.

    Args:
        name: Lightning's name for it.

    Raises:
        InputError: There is none of that name, or none here.
    """
    known = sorted(AcceleratorRegistry.available_accelerators())
    if name not in (*known, "auto", "gpu"):
        raise unknown("accelerator", name, ["auto", "gpu", *known])
    kinds = known if name == "auto" else GPUS if name == "gpu" else (name,)
    if not any(AcceleratorRegistry[kind]["accelerator"].is_available() for kind in kinds):
        raise InputError(f"accelerator is {name!r}, but there is none here; expected auto or cpu")
