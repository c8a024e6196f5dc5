"""Explain images: the saliency maps of any classifier, as tensors and as pictures."""

from scaat.explain.album import Album
from scaat.explain.explaining import Explanation, classify, explain

__all__ = ["Album", "Explanation", "classify", "explain"]
