"""Griffe extension: only modules that define `__all__` are public, as docs/reference/stable-api.md.

griffe check scaat -s src -e scripts/public_names.py --against REF
"""

from __future__ import annotations

from typing import Any

import griffe


class PublicNames(griffe.Extension):
    """Mark the modules without `__all__` as private."""

    def on_module(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """Decide for one module, after its members are loaded."""
        mod.public = mod.exports is not None
