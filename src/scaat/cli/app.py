"""``scaat app``: a local page that shows what models look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scaat.app import LOCAL, Example, Explorer, Model, serve
from scaat.cli.models import ModelSource, model_names, run_folders, run_source
from scaat.cli.output import console, say
from scaat.cli.runs import evaluation_device
from scaat.data.decoding import fit_set
from scaat.data.loading import find_source, split_positions
from scaat.display.text import printable
from scaat.errors import InputError
from scaat.options import DataOptions
from scaat.sharing.files import is_shared
from scaat.training import read_config
from scaat.training.folder import CONFIG
from scaat.training.same_data import check_data, labels_checksum

EXAMPLES = 24


def app(runs: tuple[Path, ...], host: str, port: int) -> None:
    """Serve the page until Ctrl-C."""
    folders = [folder for run in runs for folder in run_folders(run)]
    sources = [run_source(folder) for folder in folders]
    names = model_names(folders)
    _require_same_task(sources, names)
    configs = {
        # A comparison's model has its configuration two folders up.
        folder: read_config(folder if (folder / CONFIG).exists() else folder.parent.parent)
        for folder in folders
        if not is_shared(folder)
    }
    places = list(dict.fromkeys(str(config["data"]["data"]) for config in configs.values()))
    if len(places) > 1:
        raise InputError(
            f"the runs were trained on different data, {places[0]!r} and {places[1]!r}; expected "
            "runs on one data set"
        )
    try:
        examples = _test_images(configs, sources[0].image_size)
    except InputError as error:  # where the data cannot be read
        console().print(f"The page has no test images: {error}", soft_wrap=True, markup=False)
        examples = []
    device = evaluation_device("auto")
    explorer = Explorer(
        [
            Model(printable(name), _of_colours(source).to(device))
            for name, source in zip(names, sources, strict=True)
        ],
        [printable(name) for name in sources[0].classes],
        sources[0].image_size,
        examples,
        device,
    )
    if host not in LOCAL:
        console().print(f"Anyone who reaches {host} can open the page and its test images.")
    serve(explorer, host, port, lambda url: say(f"Open {url} in a browser; Ctrl-C stops."))


def _require_same_task(sources: Sequence[ModelSource], names: Sequence[str]) -> None:
    """Refuse models that do not answer the same question about the same images."""
    first = sources[0]
    for source, name in zip(sources, names, strict=True):
        for what, own, expected in (
            ("classes", source.classes, first.classes),
            ("image sizes", source.image_size, first.image_size),
        ):
            if own != expected:
                raise InputError(
                    f"models {names[0]!r} and {name!r} cannot be shown side by side: they have "
                    f"different {what}, {expected!r:.80} and {own!r:.80}"
                )


def _of_colours(source: ModelSource) -> nn.Module:
    """Return a model that takes the page's colour pictures, also where its own images are grey."""
    if source.channels == 1:
        source.model.register_forward_pre_hook(lambda _, given: (given[0].mean(1, keepdim=True),))
    return source.model


def _test_images(
    configs: Mapping[Path, dict[str, Any]], image_size: tuple[int, int]
) -> list[Example]:
    """Return test images that no run was trained on, evenly over the test part.

    The configurations are those of the runs, by their folders.
    """
    if not configs:
        raise InputError("a shared model does not say where its data are")
    options = DataOptions(**next(iter(configs.values()))["data"])
    source = find_source(options)
    parts = []
    for folder, config in configs.items():
        split = split_positions(source, DataOptions(**config["data"]), seed=config["seed"])
        known = {name: part.labels[positions] for name, (part, positions) in split.items()}
        checksum = labels_checksum(**known, classes=len(source.classes))
        check_data(folder, checksum, options.name or options.data)
        parts.append(split["test"])
    # Seeds may differ: a test image of one run may be a training image of another.
    common = sorted(set.intersection(*(set(positions.tolist()) for _, positions in parts)))
    if not common:
        raise InputError("no image is in the test part of every run")
    places = torch.linspace(0, len(common) - 1, min(EXAMPLES, len(common))).round().long()
    images = fit_set(parts[0][0].load(torch.tensor(common)[places]), options.image_size)
    if images.image_size != image_size:
        raise InputError(
            f"the data's images are {images.image_size} and the models take {image_size}"
        )
    pixels = images.pixels().expand(-1, 3, -1, -1)
    labels = [printable(images.classes[label]) for label in images.labels.tolist()]
    return [Example(image, label) for image, label in zip(pixels, labels, strict=True)]
