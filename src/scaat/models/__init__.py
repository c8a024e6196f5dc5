"""Models by name; normalisation is every model's first layer."""

from scaat.models import resnet18, small_resnet, small_vgg, vgg16  # each registers itself
from scaat.models.adapters import Adapter, adapters, find_adapter
from scaat.models.checkpoint import load_model
from scaat.models.classifier import Classifier, freeze
from scaat.models.normalize import Normalize
from scaat.models.recipe import Recipe
from scaat.models.registry import build_model, find_model, models
from scaat.models.weights import load_pretrained

__all__ = [
    "Adapter",
    "Classifier",
    "Normalize",
    "Recipe",
    "adapters",
    "build_model",
    "find_adapter",
    "find_model",
    "freeze",
    "load_model",
    "load_pretrained",
    "models",
    "resnet18",
    "small_resnet",
    "small_vgg",
    "vgg16",
]
