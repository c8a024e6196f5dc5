"""Models by name; normalisation is every model's first layer."""

from scaat.models import networks  # noqa: F401  (registers its networks)
from scaat.models.adapters import Adapter, adapters, find_adapter
from scaat.models.checkpoint import load_model, load_pretrained
from scaat.models.classifier import Classifier, Normalize, freeze
from scaat.models.fast import Whitening
from scaat.models.recipes import Recipe
from scaat.models.registry import build_model, find_model, models

__all__ = [
    "Adapter",
    "Classifier",
    "Normalize",
    "Recipe",
    "Whitening",
    "adapters",
    "build_model",
    "find_adapter",
    "find_model",
    "freeze",
    "load_model",
    "load_pretrained",
    "models",
]
