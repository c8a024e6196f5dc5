"""Adapters for other libraries' training loops, each in a module that is imported on demand.

`scaat.integrations.timm`, `scaat.integrations.hugging_face` and `scaat.integrations.lightning`
need their library; this module needs torch alone.
"""

from scaat.integrations.common import IndexedDataset

__all__ = ["IndexedDataset"]
