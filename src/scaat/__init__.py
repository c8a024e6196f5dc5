"""Saliency Constrained Adaptive Adversarial Training, and measures of any model's saliency maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaat.objectives import SCAAT, SaliencyGuided, Standard

__all__ = ["SCAAT", "SaliencyGuided", "Standard", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import an objective on first use, so that ``scaat --help`` does not wait for torch."""
    if name not in __all__:
        raise AttributeError(f"module 'scaat' has no attribute {name!r}")
    from scaat import objectives

    return getattr(objectives, name)
