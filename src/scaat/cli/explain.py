"""``scaat explain``: what models look at in images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.table import Table
from rich.text import Text
from torch import Tensor

from scaat import __version__
from scaat.attribution import find_attribution
from scaat.cli.models import ModelSource, checkpoint_source, model_names, run_folders, run_source
from scaat.cli.output import Result, console, if_interrupted, progress, say
from scaat.cli.runs import command_line, evaluation_device
from scaat.cli.types import Statistics
from scaat.data.image_files import Resize, find_images, fit_picture, read_picture
from scaat.display.labels import attribution_name
from scaat.display.text import printable
from scaat.errors import InputError, unknown
from scaat.explain import Album, classify
from scaat.explain import explain as explain_images
from scaat.explain.album import LISTING
from scaat.files import require_new

PREDICTED = "predicted"
SHOWN = 40  # lines of the table in the terminal
AT_ONCE = 16  # images that every model and method has, before the next ones


@if_interrupted("nothing was written")
def explain(
    images: tuple[str, ...],
    run: tuple[Path, ...],
    checkpoint: tuple[Path, ...],
    model: tuple[str, ...],
    classes: str | None,
    image_size: tuple[int, int] | None,
    normalisation: Statistics | None,
    attributions: tuple[str, ...],
    target: str,
    layer: str | None,
    resize: Resize | None,
    out: Path,
) -> Result:
    """Show which pixels of IMAGES (files, folders or quoted patterns) drive models' decisions."""
    for name in attributions:
        find_attribution(name)  # unknown names are refused before anything is read
    require_new(out)
    paths = find_images(images)
    sources = [run_source(folder, target) for given in run for folder in run_folders(given)]
    sources += [
        checkpoint_source(
            file, model=name, classes=classes, image_size=image_size, normalisation=normalisation
        )
        for file, name in zip(checkpoint, _networks(checkpoint, model), strict=True)
    ]
    if not sources:
        raise InputError("no model is given: expected --run, or --checkpoint and what it needs")
    names = model_names([source.path for source in sources])
    targets = [_target(source, target) for source in sources]
    pictures = []
    inputs: dict[tuple[int, int], list[Tensor]] = {source.image_size: [] for source in sources}
    for path in paths:
        picture, raw = read_picture(path)
        pictures.append(picture)
        for size, fitted in inputs.items():
            fitted.append(fit_picture(picture, raw, size, resize))
    device = evaluation_device("auto")
    for source, name in zip(sources, names, strict=True):
        source.model.to(device)
        with _naming(name):
            _check_outputs(source, inputs[source.image_size], paths, device)
    album = Album(
        out,
        paths,
        {name: source.classes for name, source in zip(names, sources, strict=True)},
        {name: attribution_name(name) for name in attributions},
        resize=resize,
        settings={
            "command": command_line(),
            "version": __version__,
            "models": [source.origin for source in sources],
            "attributions": list(attributions),
            "target": target,
            "layer": layer,
            "resize": resize,
        },
    )
    with if_interrupted(lambda: _left(out)), progress("explain") as show:
        for image_ids in torch.split(torch.arange(len(paths)), AT_ONCE):
            explanations = []
            for source, name, label in zip(sources, names, targets, strict=True):
                pixels = torch.stack([inputs[source.image_size][i] for i in image_ids]).to(device)
                with _naming(name):
                    explanation = explain_images(
                        source.model,
                        source.images(pixels),
                        attributions,
                        targets=label,
                        layer=layer,
                        image_ids=image_ids,
                    )
                explanations.append(explanation)
                show(name, int(image_ids[-1]) + 1, len(paths))
            # Nothing is written before every model and method has had its first images.
            for k, i in enumerate(image_ids.tolist()):
                fitted = [inputs[source.image_size][i] for source in sources]
                album.add(
                    pictures[i],
                    [pixels.permute(1, 2, 0).numpy() for pixels in fitted],
                    [explanation[k] for explanation in explanations],
                )
        album.close()
    _show(album)
    return {
        "out": str(out),
        "sheets": [printable(sheet) for sheet in album.sheets],
        "explanations": album.listing,
    }


def _left(out: Path) -> str:
    if not (out.exists() and any(out.iterdir())):
        return "nothing was written"
    return f"{out} holds the pictures made so far, each whole: give another --out, or remove it"


def _networks(checkpoints: Sequence[Path], names: Sequence[str]) -> Sequence[str | None]:
    """Return the network of each checkpoint: one for all, or one each."""
    if len(names) == len(checkpoints):
        return names
    if len(names) == 1 and checkpoints:
        return [*names] * len(checkpoints)
    if not names:
        return [None] * len(checkpoints)
    raise InputError(
        f"{len(names)} networks (--model) are given for {len(checkpoints)} checkpoints; expected "
        "one for all, or one each"
    )


def _target(source: ModelSource, target: str) -> int | None:
    """Return the number of the class to explain, or None for the predicted one."""
    if target == PREDICTED:
        return None
    if target in source.classes:
        return source.classes.index(target)
    if target.isdecimal() and int(target) < len(source.classes):
        return int(target)
    raise unknown(f"class of {str(source.path)!r}", target, source.classes)


@contextmanager
def _naming(title: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"model {title!r}: {error}") from error


def _check_outputs(
    source: ModelSource, inputs: Sequence[Tensor], paths: Sequence[Path], device: torch.device
) -> None:
    """Refuse a model that cannot run on the images or has other classes than it is said to."""
    for image_ids in torch.split(torch.arange(len(paths)), AT_ONCE):
        images = source.images(torch.stack([inputs[i] for i in image_ids]).to(device))
        names = [repr(str(paths[i])) for i in image_ids]
        count = classify(source.model, images, names=names).shape[1]
        if count != len(source.classes):
            raise InputError(f"it has {count} outputs but {len(source.classes)} classes are named")


def _show(album: Album) -> None:
    """Print each model's answer for each image, once for all saliency methods."""
    table = Table("image", "model", "predicted", "probability", box=None)
    explained_other = any(r["explained"] != r["predicted"] for r in album.listing)
    if explained_other:
        table.add_column("map of")
        table.add_column("its probability")
    answers = {(record["file"], record["model"]): record for record in album.listing}
    for record in list(answers.values())[:SHOWN]:
        probability = f"{record['probability']:.3f}"
        cells = [record["file"], record["model"], record["predicted"], probability]
        if explained_other:
            cells += [record["explained"], f"{record['explained_probability']:.3f}"]
        table.add_row(*map(Text, cells))  # Text: a name's square brackets are no markup
    console(stderr=False).print(table)
    if len(answers) > SHOWN:
        say(f"... and {len(answers) - SHOWN} more, in {LISTING}")
    say(*(f"Contact sheet: {printable(sheet)}" for sheet in album.sheets))
