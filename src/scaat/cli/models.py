"""Models as the command line takes them: a run's folder, or a checkpoint and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from torch import nn

from scaat.cli.names import complete_model
from scaat.errors import InputError
from scaat.models import load_model
from scaat.sharing.files import is_shared, load_shared
from scaat.training import load_trained, read_config
from scaat.training.architecture import IMAGENET
from scaat.training.fitting import MODEL

T = TypeVar("T")

Statistics = tuple[tuple[float, ...] | None, tuple[float, ...] | None]
"""Mean and standard deviation of each channel, or None for a network that normalises itself."""


@dataclass(frozen=True, eq=False)
class ModelSource:
    """A model that was read, and what is known of it.

    Attributes:
        model: In evaluation mode, on the CPU; maps images in [0, 1] to logits.
        path: The run's folder or the checkpoint.
        classes: The name of each class.
        image_size: Height and width of the images that it takes, in pixels.
        origin: Where it comes from, fit for JSON.
    """

    model: nn.Module
    path: Path
    classes: tuple[str, ...]
    image_size: tuple[int, int]
    origin: dict[str, Any]


class Size(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A height and width such as ``224x224``, or one number for both."""

    name = "height x width"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return height and width, or fail with one sentence."""
        parts = str(value).lower().split("x")
        if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is no size (write 224, or 480x640 for height x width).")
        return int(parts[0]), int(parts[-1])


class Normalisation(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """``imagenet``, ``none``, or six numbers: three means and three standard deviations."""

    name = "statistics"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Statistics:
        """Return means and deviations, or fail with one sentence."""
        if value in ("none", "imagenet"):
            return IMAGENET if value == "imagenet" else (None, None)
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 6 or not all(0 < deviation < float("inf") for deviation in numbers[3:]):
            self.fail(
                f"{value!r} is neither imagenet nor none nor six numbers: the means of red, green "
                "and blue, then their standard deviations, for images in [0, 1]."
            )
        return numbers[:3], numbers[3:]


def checkpoint_options(*, multiple: bool) -> list[click.Option]:
    """Return the options that describe a model in a checkpoint file.

    Args:
        multiple: Whether there may be several, which then share all but the file and network.
    """
    return [
        click.Option(
            ["--checkpoint"],
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            multiple=multiple,
            help="File with a network's weights (torch.save of a state_dict, or safetensors); "
            "never executed.",
        ),
        click.Option(
            ["--model"],
            multiple=multiple,
            shell_complete=complete_model,
            help="The checkpoint's network: small-resnet, small-vgg, resnet18, vgg16, "
            "torchvision:NAME, timm:NAME or package.module:factory.",
        ),
        click.Option(
            ["--classes"],
            help="The checkpoint's classes: how many, or a text file with one name a line.",
        ),
        click.Option(
            ["--image-size"],
            type=Size(),
            help="What the checkpoint's network takes, in pixels: 224, or 480x640 for height x "
            "width.",
        ),
        click.Option(
            ["--normalisation"],
            type=Normalisation(),
            help="What the checkpoint's network was trained with: imagenet, six numbers (means "
            "then deviations, for images in [0, 1]), or none if it normalises itself.",
        ),
    ]


def run_source(folder: Path) -> ModelSource:
    """Read a model of ``scaat train``, of a comparison (OUT/models/METHOD) or a shared one.

    Raises:
        InputError: The folder has none, or a file is damaged.
    """
    if is_shared(folder):
        shared = load_shared(folder)
        origin = {"shared": str(folder), "architecture": dict(shared.architecture)}
        return ModelSource(shared.model, folder, shared.classes, shared.image_size, origin)
    trained = load_trained(folder)
    architecture = trained.architecture
    # Runs of versions that did not record the names have numbers.
    classes = trained.classes or tuple(map(str, range(architecture["num_classes"])))
    height, width = architecture["image_size"]
    origin = {"run": str(folder), "architecture": architecture}
    return ModelSource(trained.model, folder, classes, (height, width), origin)


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
    """Read a model from a checkpoint and the options of `checkpoint_options`.

    Raises:
        InputError: An option is missing, or as for `load_model`.
    """
    name = _require(checkpoint, "--model", model)
    names = read_classes(_require(checkpoint, "--classes", classes))
    size = _require(checkpoint, "--image-size", image_size)
    mean, std = _require(checkpoint, "--normalisation", normalisation)
    architecture: Mapping[str, Any] = {
        "name": name,
        "num_classes": len(names),
        "image_size": size,
        "mean": mean,
        "std": std,
    }
    network = load_model(checkpoint, **architecture)
    origin = {"checkpoint": str(checkpoint), "architecture": dict(architecture)}
    return ModelSource(network, checkpoint, names, size, origin)


def read_classes(text: str) -> tuple[str, ...]:
    """Return the class names that ``--classes`` gives: numbers up to a count, or a file's lines.

    Raises:
        InputError: It is neither a count above 0 nor a file with text.
    """
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
