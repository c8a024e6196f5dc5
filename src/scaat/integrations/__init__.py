"""Adapters for other libraries' training loops, each in a module that is imported on demand.

This module needs torch alone; ``timm``, ``hugging_face`` and ``lightning`` need their library.
"""

from scaat.integrations.common import IndexedDataset

__all__ = ["IndexedDataset"]
