"""Saliency Constrained Adaptive Adversarial Training, and measures of any model's saliency maps."""

from scaat.objectives import SCAAT, SaliencyGuided, Standard

__all__ = ["SCAAT", "SaliencyGuided", "Standard", "__version__"]
__version__ = "0.1.0"
