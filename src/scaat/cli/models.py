"""Models as the command line takes them: a run's folder, or a checkpoint and what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from scaat.cli.types import Statistics
from scaat.data import to_float
from scaat.data.image_set import absent_and_present
from scaat.display.text import titles
from scaat.errors import InputError
from scaat.models import load_model
from scaat.models.outputs import SelectedOutputs
from scaat.sharing.files import is_shared, load_shared
from scaat.training import load_trained, read_config
from scaat.training.fitting import MODEL

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ModelSource:
    """A model that was read, and what is known of it."""

    model: nn.Module  # in evaluation mode, on the CPU; maps images in [0, 1] to logits
    path: Path  # the run's folder or the checkpoint
    classes: tuple[str, ...]
    image_size: tuple[int, int]  # height and width, in pixels
    origin: dict[str, Any]  # where it comes from, fit for JSON
    channels: int = 3  # of its images; 1 is grey

    def images(self, pixels: Tensor) -> Tensor:
        """Return pictures, uint8 RGB (N, 3, H, W), as the images (N, C, H, W) that it takes."""
        if self.channels == 1:  # the mean, rounded, is the very value of a grey picture
            pixels = pixels.float().mean(1, keepdim=True).round().byte()
        return to_float(pixels)


def run_source(folder: Path, label: str | None = None) -> ModelSource:
    """Read a model of ``scaat train``, of a comparison (OUT/models/METHOD) or a shared one.

    Of a model of several labels it is the one named ``label``, absent or present.
    """
    if is_shared(folder):
        shared = load_shared(folder)
        origin = {"shared": str(folder), "architecture": dict(shared.architecture)}
        return ModelSource(
            shared.model, folder, shared.classes, shared.image_size, origin, shared.channels
        )
    trained = load_trained(folder)
    model, architecture = trained.model, trained.architecture
    # Runs of versions that did not record the names have numbers.
    classes = trained.classes or tuple(map(str, range(architecture["num_classes"])))
    if trained.multilabel:
        if label not in classes:
            raise InputError(
                f"the model in {str(folder)!r} has several labels; expected one label an image, or "
                f"scaat explain --target with one of {', '.join(classes):.200}"
            )
        model = SelectedOutputs(model, [classes.index(label)]).eval()
        classes = absent_and_present(label)
    height, width = architecture["image_size"]
    origin = {"run": str(folder), "architecture": architecture}
    channels = architecture.get("channels", 3)
    return ModelSource(model, folder, classes, (height, width), origin, channels)


def model_names(folders: Sequence[Path]) -> list[str]:
    """Return a short name of each model, and refuse one that is given twice."""
    names = titles(folders)
    if len(set(names)) < len(names):
        raise InputError("a model is given twice; expected each once")
    return names


def run_folders(folder: Path) -> list[Path]:
    """Return the folder of each model in a run: itself, or a comparison's one for each method."""
    if (folder / MODEL).exists() or not (folder / "models").is_dir():
        return [folder]
    return [folder / "models" / method for method in read_config(folder).get("methods", ())]


def checkpoint_source(
    checkpoint: Path,
    *,
    model: str | None,
    classes: str | None,
    image_size: tuple[int, int] | None,
    normalisation: Statistics | None,
) -> ModelSource:
    """Read a model from a checkpoint and the options that say what it is, all of them needed."""
    name = _require(checkpoint, "--model", model)
    names = read_classes(_require(checkpoint, "--classes", classes))
    size = _require(checkpoint, "--image-size", image_size)
    mean, std = _require(checkpoint, "--normalisation", normalisation)
    architecture: dict[str, Any] = {"name": name, "num_classes": len(names), "image_size": size}
    architecture |= {"mean": mean, "std": std}
    network = load_model(checkpoint, **architecture)
    origin = {"checkpoint": str(checkpoint), "architecture": architecture}
    return ModelSource(network, checkpoint, names, size, origin)


def read_classes(text: str) -> tuple[str, ...]:
    """Return the class names that ``--classes`` gives: numbers below a count, or a file's lines."""
    if text.isdecimal() and int(text) > 0:
        return tuple(map(str, range(int(text))))
    path = Path(text)
    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(
            f"classes {text!r} is neither a number above 0 nor a file that can be read ({reason})"
        ) from error
    while names and not names[-1].strip():
        names.pop()
    if not names or not all(name.strip() for name in names):
        raise InputError(f"classes file {text!r} has an empty line; expected one name a line")
    return tuple(name.strip() for name in names)


def _require(checkpoint: Path, option: str, value: T | None) -> T:
    if value is None:
        raise InputError(f"checkpoint {str(checkpoint)!r} needs {option}")
    return value
