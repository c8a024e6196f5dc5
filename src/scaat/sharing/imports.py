"""Networks of the user's own by name: their module is imported, unless it lies among the files."""

from __future__ import annotations

import sys
from pathlib import Path

from scaat.errors import InputError

LIBRARIES = ("torchvision", "timm")


def own_module(name: str) -> str | None:
    """Return the module that ``package.module:name`` imports, or None for any other name."""
    module, colon, _ = name.partition(":")
    return module if colon and module not in LIBRARIES else None


def refuse_code_in(folder: Path, name: str, file: Path) -> None:
    """Refuse a name whose module would be imported from ``folder`` itself.

    Python's search path may hold the current folder, so a foreign folder that names a module
    could otherwise bring the module, too. Nothing is imported to find out.

    Args:
        folder: Where the shared files lie.
        name: Of a network or adapter.
        file: Where the name stands, for the message.

    Raises:
        InputError: The module, or a package that it is in, lies in ``folder``.
    """
    if (module := own_module(name)) is None:
        return
    parts, home = module.split("."), folder.resolve()
    for entry in sys.path:
        for count in range(1, len(parts) + 1):
            # Not resolved to the end: a link in the folder may lead out of it.
            place = Path(entry).resolve().joinpath(*parts[:count])
            if home in (place, *place.parents) and _holds_code(place):
                raise InputError(
                    f"{str(file)!r} names {name!r}, whose module lies in the shared folder; "
                    "expected files without code, and a module that is installed"
                )


def _holds_code(place: Path) -> bool:
    return place.is_dir() or any(place.parent.glob(f"{place.name}.*"))
