"""Data sets of Hugging Face's library: by name from the hub, or from a local folder."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scaat.data.augmentation import COMMON
from scaat.data.decoding import Encoded
from scaat.data.lazy import encoded_part
from scaat.data.registry import MOST_UNNAMED, DataEntry, Part, Source, datasets
from scaat.errors import InputError
from scaat.options.data import DataOptions

PARTS = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
LABELS = ("label", "labels", "fine_label")


class Rows:
    """The encoded images of one split.

    Args:
        table: A ``datasets.Dataset`` whose column ``column`` is not decoded.
        name: How messages call the split.
        column: The images.
    """

    def __init__(self, table: Any, name: str, column: str) -> None:
        self._table, self._name, self._column = table, name, column

    def __len__(self) -> int:
        return len(self._table)

    def take(self, positions: Tensor) -> Iterator[Encoded]:
        """Yield the rows at these positions."""
        rows = positions.tolist()
        for row, image in zip(rows, self._table[rows][self._column], strict=True):
            source = image and (image["bytes"] or (image["path"] and Path(image["path"])))
            yield f"row {row} of {self._name}", source


def load_hugging_face(argument: str, options: DataOptions) -> Source:
    """Return a data set's splits ``train``, ``validation`` (or ``val``) and ``test``.

    ``NAME`` is a folder that ``save_to_disk`` wrote, a folder or name that ``load_dataset``
    takes, or a name on the hub (``user/set``, with ``:config`` where there are several). The
    images' column is the one of type Image, the labels' one of `LABELS`.

    Raises:
        InputError: The library is missing or cannot find or load the data, or a column is
            missing or of another type.
    """
    library = _library(argument)
    found = _read(library, argument)
    splits = {part: found[name] for part, names in PARTS.items() for name in names if name in found}
    if "train" not in splits:
        raise InputError(f"{argument!r} has splits {', '.join(found)}; expected one named train")
    image, label, classes = _columns(library, splits["train"], argument)
    parts = {
        part: _part(library, table, f"{argument} {part}", image, label, classes, options)
        for part, table in splits.items()
    }
    return Source(
        classes, parts["train"], parts.get("validation"), parts.get("test"), augmentation=COMMON
    )


def _library(argument: str) -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise InputError(
            f"data 'hf:{argument}' needs the package datasets (pip install datasets)"
        ) from error


def _read(library: Any, argument: str) -> Any:
    folder = Path(argument).expanduser()
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            found = library.load_from_disk(str(folder))
        else:
            name, _, config = argument.partition(":")
            found = library.load_dataset(name, config or None)
    except Exception as error:  # of the network, of files, and of the library's own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"data 'hf:{argument}' cannot be loaded ({reason}); expected a folder, or a name on "
            "the Hugging Face hub, which needs a network or an earlier download"
        ) from error
    return found if hasattr(found, "keys") else {"train": found}


def _columns(library: Any, table: Any, argument: str) -> tuple[str, str, tuple[str, ...]]:
    features = table.features
    images = [name for name, kind in features.items() if isinstance(kind, library.Image)]
    labels = [name for name in LABELS if name in features]
    for kind, names in (("of type Image", images), (f"named {' or '.join(LABELS)}", labels)):
        if not names:
            raise InputError(
                f"{argument!r} has no column {kind}; found {', '.join(map(repr, features))}"
            )
    feature = features[labels[0]]
    if isinstance(feature, library.ClassLabel):
        return images[0], labels[0], tuple(feature.names)
    if not str(getattr(feature, "dtype", "")).startswith(("int", "uint")):
        raise InputError(
            f"column {labels[0]!r} of {argument!r} holds {feature}; expected class ids"
        )
    greatest = max((value for value in table[labels[0]] if value is not None), default=0)
    if greatest >= MOST_UNNAMED:
        raise InputError(
            f"column {labels[0]!r} of {argument!r} holds {greatest}, but names no classes; "
            f"expected class ids below {MOST_UNNAMED:,}"
        )
    return images[0], labels[0], tuple(map(str, range(greatest + 1)))


def _part(
    library: Any,
    table: Any,
    name: str,
    image: str,
    label: str,
    classes: tuple[str, ...],
    options: DataOptions,
) -> Part:
    if not len(table):
        raise InputError(f"{name} has no rows; expected an image a row")
    ids = table[label][:]
    bad = next((i for i, v in enumerate(ids) if v is None or not 0 <= v < len(classes)), None)
    if bad is not None:
        raise InputError(
            f"row {bad} of {name} has label {ids[bad]}; expected 0 to {len(classes) - 1}"
        )
    encoded = Rows(table.cast_column(image, library.Image(decode=False)), name, image)
    return encoded_part(encoded, torch.tensor(ids), classes, options.image_size)


datasets.register("hf")(
    DataEntry(load_hugging_face, "NAME", "Hugging Face data sets, from the hub or a folder")
)
