"""Models by name; normalisation is every model's first layer."""

from scaat.models import resnet18, small_resnet, vgg16  # each registers itself
from scaat.models.checkpoint import load_model
from scaat.models.normalize import Normalize
from scaat.models.registry import build_model, find_model, models

__all__ = [
    "Normalize",
    "build_model",
    "find_model",
    "load_model",
    "models",
    "resnet18",
    "small_resnet",
    "vgg16",
]
