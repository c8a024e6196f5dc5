"""Files that are whole or not there, written beside their place and renamed into it; and YAML."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scaat.errors import InputError, WriteError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path``, and rename what is written there to ``path`` at the end.

    Readers see the old content or the new, never a part, also after the power failed. The folder
    is made if missing. After an error ``path`` is as it was and nothing is left beside it.

    Raises:
        WriteError: The file or its folder cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _to_disk(part)
        os.replace(part, path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _to_disk(path.parent)
    except OSError as error:
        raise WriteError(f"{str(path)!r} cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):  # a folder that could not be made
            part.unlink(missing_ok=True)


def require_new(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        InputError: It does, or is a file.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"output {str(folder)!r} exists already: expected a new or empty folder")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder beside ``folder``, and rename it to ``folder`` at the end.

    After an error there is neither, and an empty ``folder`` is as it was. One that exists may be a
    mount point or a link, which nothing can replace: the content is then moved into it.

    Raises:
        InputError: ``folder`` is a file, or holds some.
        WriteError: The folder or something in it cannot be written.
    """
    require_new(folder)
    exists, name = folder.exists(), f".{folder.name}.{os.getpid()}.part"
    part = folder / name if exists else folder.with_name(name)
    try:
        part.mkdir(parents=True)
        yield part
        if exists:
            for path in list(part.iterdir()):
                path.rename(folder / path.name)
        else:
            part.rename(folder)
    except OSError as error:
        raise WriteError(
            f"{str(folder)!r} cannot be written ({error.strerror or error})"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remove_parts(folder: Path) -> None:
    """Remove what writers that were killed have left beside the files of a folder and below.

    A `new_folder` stays, as it may be one that an evaluation is about to fill.
    """
    for part in folder.rglob(".*.part"):
        if not part.is_dir():
            part.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file, in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, whole or not at all; see `json_text`."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return strict JSON as written to a file.

    Raises:
        ValueError: A number is not finite, which JSON cannot say.
    """
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    """Write YAML of plain values, the keys in their order, whole or not at all."""
    import yaml  # of the extra `run`, unlike the rest of this module

    write_text(path, yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True))


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, of plain values.

    Raises:
        InputError: It is not YAML or not UTF-8, or gives a key twice.
        OSError: It cannot be read.
    """
    import yaml  # see `write_yaml`

    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        if (root := loader.get_single_node()) is None:
            return None
        _refuse_keys_given_twice(root, path)
        return loader.construct_document(root)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"{str(path)!r} is not valid YAML: {' '.join(str(error).split())}"
        ) from error


def _refuse_keys_given_twice(root: Any, path: Path) -> None:
    """Refuse a mapping with a key twice, of which PyYAML would drop the first in silence."""
    import yaml

    nodes, visited = [root], set()
    while nodes:
        node = nodes.pop()
        if id(node) in visited or isinstance(node, yaml.ScalarNode):
            continue  # aliases lead to the same node again
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
            continue
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            nodes += [key, value]
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise InputError(
                    f"{str(path)!r} gives {key.value!r} twice, in lines {lines[name]} and {line}; "
                    "expected it once"
                )
            lines[name] = line
