"""A shared model and its files: weights as safetensors, everything else as JSON."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from scaat import __version__
from scaat.errors import InputError
from scaat.files import json_text, write_bytes, write_text
from scaat.models import build_model
from scaat.models.checkpoint import load_weights, read_checkpoint
from scaat.options.data import LARGEST
from scaat.report.reading import Entry

_DEFAULTS = {"channels": 3, "input_size": None, "adapter": "auto"}


@dataclass(frozen=True, eq=False)
class SharedModel:
    """A model and what its files say of it.

    Attributes:
        model: Maps images (N, C, H, W) in [0, 1] to logits (N, classes); as `build_model`
            returns it.
        architecture: The arguments of `build_model` that made it.
        classes: The name of each class, in the order of the logits.
        method: How it was trained, or None where that is not known.
        options: The method's settings, JSON values.
        training: What the training took and came to, JSON values.
        proportion: The final q of every training sample, in [0, 1], shape (num_samples,), or None
            where the method has none.
    """

    model: nn.Module
    architecture: Mapping[str, Any]
    classes: tuple[str, ...]
    method: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    proportion: Tensor | None = None

    @property
    def name(self) -> str:
        """Return the network's name, as `build_model` takes it."""
        return str(self.architecture["name"])

    @property
    def image_size(self) -> tuple[int, int]:
        """Return height and width of the images, in pixels."""
        height, width = self.architecture["image_size"]
        return height, width

    @property
    def channels(self) -> int:
        """Return the channels of the images: 1 (grey) or 3."""
        return int(self.complete_architecture["channels"])

    @property
    def train_seconds(self) -> float | None:
        """Return what the training took, where that is known."""
        seconds = self.training.get("train_seconds")
        return seconds if isinstance(seconds, float) else None

    @property
    def complete_architecture(self) -> dict[str, Any]:
        """Return every argument of `build_model`, also those left at their defaults."""
        return {**_DEFAULTS, **self.architecture}


LIBRARIES = ("torchvision", "timm")


def own_module(name: str) -> str | None:
    """Return the module that ``package.module:name`` imports, or None for any other name."""
    module, colon, _ = name.partition(":")
    return module if colon and module not in LIBRARIES else None


def _refuse_code_in(folder: Path, name: str) -> None:
    """Refuse a name, of a network or adapter, whose module would be imported from ``folder``.

    Python's search path may hold the current folder, so a foreign folder that names a module
    could otherwise bring the module, too. Nothing is imported to find out.
    """
    if (module := own_module(name)) is None:
        return
    parts, home = module.split("."), folder.resolve()
    for entry in sys.path:
        for count in range(1, len(parts) + 1):
            # Not resolved to the end: a link in the folder may lead out of it.
            place = Path(entry).resolve().joinpath(*parts[:count])
            if home in (place, *place.parents) and (
                place.is_dir() or any(place.parent.glob(f"{place.name}.*"))
            ):
                raise InputError(
                    f"{str(folder / CONFIG)!r} names {name!r}, whose module lies in the shared "
                    "folder; expected files without code, and a module that is installed"
                )


FORMAT = 1
"""Raised when the files change so that older versions cannot read them."""

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PROPORTION = "proportion.safetensors"


def is_shared(folder: Path) -> bool:
    """Whether a folder holds a model that `save_shared` wrote."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def save_shared(shared: SharedModel, folder: Path | str) -> None:
    """Write a model as ``model.safetensors`` and ``config.json``, and its proportions beside.

    Each file is whole or not there; ``config.json``, which holds the others' checksums, comes
    last.

    Args:
        shared: The model; its weights must be those of the network that its architecture builds.
        folder: Made if missing.

    Raises:
        InputError: The weights do not fit the architecture, the classes are not as many as the
            logits, or a setting is no JSON value.
        WriteError: A file cannot be written.
    """
    folder = Path(folder)
    state = {
        # Cloned, as safetensors refuses weights with common memory.
        name: weight.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, weight in shared.model.state_dict().items()
    }
    load_weights(build_model(**shared.complete_architecture), state, folder / WEIGHTS, shared.name)
    files = {WEIGHTS: save(state, {"format": "pt"})}
    if shared.proportion is not None:
        proportion = shared.proportion.detach().cpu().contiguous()
        files[PROPORTION] = save({"proportion": proportion}, {"format": "pt"})
    content = {
        "format": FORMAT,
        "scaat": __version__,
        "torch": str(torch.__version__),
        "architecture": shared.complete_architecture,
        "classes": list(shared.classes),
        "method": shared.method,
        "options": dict(shared.options),
        "training": dict(shared.training),
        "files": {name: hashlib.sha256(held).hexdigest() for name, held in files.items()},
    }
    try:
        text = json_text(content)
    except (TypeError, ValueError) as error:
        raise InputError(f"the model's settings are no JSON values ({error})") from error
    _read_config(folder / CONFIG, json.loads(text))  # refuses what could not be read back
    for name, held in files.items():
        write_bytes(folder / name, held)
    write_text(folder / CONFIG, text)


def load_shared(folder: Path | str) -> SharedModel:
    """Read back what `save_shared` wrote; no code in the files is executed.

    Weights come from safetensors, which can hold nothing else, and settings from JSON. A network
    or adapter of somebody's own (``package.module:name``) is imported from the installed module
    that ``config.json`` names, as in `load_trained`, and called; a module that lies in the folder
    itself is refused.

    Returns:
        With the model in evaluation mode, on the CPU, in channels-last memory; for a model that
        `load_trained` reads, too, its logits are exactly the same.

    Raises:
        InputError: A file is missing, damaged, foreign or of a newer format, its checksum is
            wrong, the weights do not fit, or a module of somebody's own cannot be imported.
    """
    folder = Path(folder)
    path = folder / CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be read ({error.strerror}): expected the folder of a shared "
            "model"
        ) from error
    except (ValueError, RecursionError) as error:  # a JSONDecodeError is a ValueError
        raise InputError(f"{str(path)!r} is damaged or no JSON ({error})") from error
    config = _read_config(path, content)
    architecture = config["architecture"]
    for name in (architecture["name"], architecture["adapter"]):
        _refuse_code_in(folder, name)
    weights = _read_tensors(folder, WEIGHTS, config)
    model = build_model(**architecture)
    load_weights(model, weights, folder / WEIGHTS, architecture["name"])
    return SharedModel(
        model.to(memory_format=torch.channels_last).eval(),
        architecture,
        config["classes"],
        config["method"],
        config["options"],
        config["training"],
        _read_proportion(folder, config) if PROPORTION in config["files"] else None,
    )


def _read_config(path: Path, content: Any) -> dict[str, Any]:
    """Return the checked content of a ``config.json``."""
    if not isinstance(content, dict) or not {"format", "architecture", "files"} <= content.keys():
        raise InputError(f"{str(path)!r} is not of a model that scaat shared")
    config = Entry(path, "", content)
    if config.integer("format") != FORMAT:
        raise config.fault(
            "format",
            content["format"],
            f"{FORMAT}: read it with the version of scaat that wrote it",
        )
    architecture = _architecture(config.entry("architecture"))
    classes = config.texts("classes")
    if len(classes) != architecture["num_classes"]:
        raise config.fault(
            "classes", f"{len(classes)} names", f"{architecture['num_classes']}, one a logit"
        )
    return {
        "architecture": architecture,
        "classes": classes,
        "method": config.text("method") if config.has("method") else None,
        "options": config.entry("options").values,
        "training": config.entry("training").values,
        "files": config.entry("files").values,
    }


def _architecture(entry: Entry) -> dict[str, Any]:
    """Return the arguments of `build_model`, checked, as it had no part in writing them."""
    channels, classes = entry.integer("channels"), entry.integer("num_classes")
    if channels not in (1, 3):
        raise entry.fault("channels", channels, "1 or 3")
    if classes < 1:
        raise entry.fault("num_classes", classes, "1 or more")
    mean, std = (entry.numbers(key).tolist() if entry.has(key) else None for key in ("mean", "std"))
    if (mean is None) != (std is None) or (mean and std and len(mean) != len(std)):
        raise entry.fault("std", std, "one value for each of mean")
    if std and min(std) <= 0:
        raise entry.fault("std", std, "positive values")
    return {
        "name": entry.text("name"),
        "num_classes": classes,
        "image_size": _size(entry, "image_size"),
        "mean": mean,
        "std": std,
        "channels": channels,
        "input_size": _size(entry, "input_size") if entry.has("input_size") else None,
        "adapter": entry.text("adapter"),
    }


def _size(entry: Entry, key: str) -> tuple[int, int]:
    value = entry.get(key)
    if not (
        isinstance(value, list)
        and len(value) == 2
        and all(type(side) is int and 0 < side <= LARGEST for side in value)
    ):
        raise entry.fault(key, value, f"height and width, each from 1 to {LARGEST:,}")
    return value[0], value[1]


def _read_tensors(folder: Path, name: str, config: dict[str, Any]) -> dict[str, Tensor]:
    path = folder / name
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read ({error.strerror})") from error
    if digest != config["files"].get(name):
        raise InputError(
            f"{str(path)!r} is damaged or was changed: its checksum is not the one in {CONFIG}"
        )
    tensors: dict[str, Tensor] = read_checkpoint(path)
    return tensors


def _read_proportion(folder: Path, config: dict[str, Any]) -> Tensor:
    proportion = _read_tensors(folder, PROPORTION, config).get("proportion")
    if (
        proportion is None
        or proportion.dim() != 1
        or not proportion.is_floating_point()
        or not ((proportion >= 0) & (proportion <= 1)).all()
    ):
        raise InputError(
            f"{str(folder / PROPORTION)!r} does not hold proportions, expected one number from 0 "
            "to 1 for each training image"
        )
    return proportion
