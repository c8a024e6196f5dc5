"""The model that a training starts from, made of the options and the images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaat.data import ImageSet, to_float
from scaat.data.image_set import channel_statistics, spaced
from scaat.errors import InputError
from scaat.models import Classifier, Whitening, build_model, find_model, freeze, load_pretrained
from scaat.options.training import TrainingOptions

WHITENED = 500
"""Evenly spaced training images from which a whitening layer takes its components."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class StartingModel:
    """A model as its training starts, with the options' weights and frozen parts."""

    model: Classifier
    architecture: dict[str, Any]  # the arguments of `build_model` that made it
    weights: str | None  # what was loaded and what starts at random, in a sentence


def starting_model(train: ImageSet, options: TrainingOptions) -> StartingModel:
    """Build the model for these images, load its weights and freeze what does not train.

    The initial weights are drawn from torch's global generator. A model that cannot take the
    images, or weights or parts that do not fit it, are an `InputError`.
    """
    architecture = architecture_of(train, options)
    model = build_model(**architecture)
    for layer in model.modules():
        if isinstance(layer, Whitening):
            images = to_float(train.pixels(spaced(len(train), WHITENED)))
            layer.fit(model.network_input(images))
    said = None
    if options.weights is not None:
        said = load_pretrained(model, Path(options.weights), options.model, train.num_classes)
    freeze(model, options.trainable, train.num_classes)
    return StartingModel(model, architecture, said)


def architecture_of(train: ImageSet, options: TrainingOptions) -> dict[str, Any]:
    """Return the arguments of `build_model` for these training images, plain values for a file.

    Raises:
        InputError: The model is unknown, or its library states no size or statistics of its own.
    """
    mean, std = _statistics(train, options)
    return {
        "name": options.model,
        "num_classes": train.num_classes,
        "image_size": train.image_size,
        "mean": mean,
        "std": std,
        "channels": train.channels,
        "input_size": _input_size(options),
        "adapter": options.adapter,
    }


def _statistics(
    train: ImageSet, options: TrainingOptions
) -> tuple[list[float], list[float]] | tuple[None, None]:
    if options.normalisation == "none":
        return None, None
    if options.normalisation == "imagenet":
        return list(IMAGENET[0]), list(IMAGENET[1])
    recipe = find_model(options.model)
    if options.normalisation in ("auto", "own") and recipe.mean and recipe.std:
        return list(recipe.mean), list(recipe.std)
    if options.normalisation == "own":
        raise _unstated("normalisation", options.model, "data, imagenet or none")
    mean, std = channel_statistics(train)
    # A channel of one value has no deviation to divide by.
    return mean, [max(deviation, 1e-3) for deviation in std]


def _input_size(options: TrainingOptions) -> tuple[int, int] | None:
    if options.input_size == "data":
        return None
    if options.input_size == "own":
        size = find_model(options.model).size
        if size is None:
            raise _unstated("input_size", options.model, "data or a number of pixels")
        return size
    return int(options.input_size), int(options.input_size)


def _unstated(option: str, model: str, expected: str) -> InputError:
    return InputError(
        f"{option} is 'own', but no library states one for model {model!r}; expected {expected}"
    )
