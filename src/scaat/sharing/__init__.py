"""Sharing trained models: files, a folder with a model card, hubs, and export for prediction."""

from scaat.sharing.card import share_run
from scaat.sharing.exporting import FORMATS, export_model
from scaat.sharing.files import SharedModel, is_shared, load_shared, save_shared
from scaat.sharing.hub import pull, push
from scaat.sharing.run import Run, open_run

__all__ = [
    "FORMATS",
    "Run",
    "SharedModel",
    "export_model",
    "is_shared",
    "load_shared",
    "open_run",
    "pull",
    "push",
    "save_shared",
    "share_run",
]
