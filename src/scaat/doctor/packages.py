"""The packages that scaat asks for, as its own metadata names them, and their state here."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import Version

CORE = ""
"""The name under which what every installation has is listed among the extras."""


@dataclass(frozen=True)
class Package:
    """A package that scaat asks for.

    Attributes:
        name: What pip calls it.
        wanted: The versions that scaat asks for (``>=2.4``); "" for any.
        installed: The version here, or None.
        error: Why it cannot be imported, or None.
        clashes: What it asks of another of these packages that is not so, in words.
    """

    name: str
    wanted: str
    installed: str | None
    error: str | None = None
    clashes: tuple[str, ...] = ()

    @property
    def faults(self) -> list[str]:
        """What is wrong with it, a sentence each; nothing is wrong with one that is missing."""
        if self.installed is None:
            return []
        found = []
        if not Requirement(f"{self.name}{self.wanted}").specifier.contains(
            self.installed, prereleases=True
        ):
            found.append(
                f"{self.name} is {self.installed}, expected {self.wanted}: pip install "
                f"'{self.name}{self.wanted}'"
            )
        if self.error is not None:
            found.append(f"{self.name} {self.installed} cannot be imported ({self.error})")
        return [*found, *self.clashes]


def read_extras(distribution: str = "scaat") -> dict[str, list[Package]]:
    """Return the packages by extra, those of every installation under `CORE`.

    Args:
        distribution: The installed package whose metadata says so.

    Raises:
        importlib.metadata.PackageNotFoundError: It is not installed.
    """
    extras = metadata.metadata(distribution).get_all("Provides-Extra") or []
    requirements = [Requirement(text) for text in metadata.requires(distribution) or []]
    requirements = [found for found in requirements if found.name != distribution]
    modules = _modules()
    versions = {found.name: _version(found.name) for found in requirements}
    packages = {
        found.name: _look(found, versions, modules.get(_normal(found.name), ()))
        for found in requirements
    }
    return {
        extra: [packages[found.name] for found in requirements if _belongs(found, extra)]
        for extra in (CORE, *extras)
    }


def import_error(module: str) -> str | None:
    """Import a module, and return why it cannot be, in one line, or None."""
    nowhere = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken package raises anything
            said = " ".join(str(error).split())
            return f"{type(error).__name__}: {said}" if said else type(error).__name__
    return None


def _look(
    wanted: Requirement, versions: Mapping[str, str | None], modules: Sequence[str]
) -> Package:
    installed = versions[wanted.name]
    if installed is None:
        return Package(wanted.name, str(wanted.specifier), None)
    return Package(
        wanted.name,
        str(wanted.specifier),
        installed,
        import_error(_main_module(wanted.name, modules)) if modules else None,
        tuple(_clashes(wanted.name, installed, versions)),
    )


def _clashes(name: str, installed: str, versions: Mapping[str, str | None]) -> list[str]:
    """Compare what an installed package asks of scaat's other packages with what is there."""
    found = []
    for text in metadata.requires(name) or []:
        asked = Requirement(text)
        version = versions.get(asked.name)
        applies = asked.marker is None or asked.marker.evaluate({"extra": ""})
        if version and applies and not asked.specifier.contains(version, prereleases=True):
            found.append(
                f"{name} {installed} asks for {asked.name}{asked.specifier}, found {version}: "
                f"install a {name} that was made for it"
            )
    return found


def _belongs(wanted: Requirement, extra: str) -> bool:
    if wanted.marker is None:
        return extra == CORE
    return wanted.marker.evaluate({"extra": extra}) and not (
        extra != CORE and wanted.marker.evaluate({"extra": CORE})
    )


def _version(name: str) -> str | None:
    try:
        return str(Version(metadata.version(name)))
    except metadata.PackageNotFoundError:
        return None


def _modules() -> dict[str, list[str]]:
    """Return the importable names of every installed package, by the package's own name."""
    found: dict[str, list[str]] = {}
    for module, names in metadata.packages_distributions().items():
        for name in names:
            if not module.startswith("_"):
                found.setdefault(_normal(name), []).append(module)
    return found


def _main_module(name: str, modules: Sequence[str]) -> str:
    """Return the module of a package that bears its name, or the first."""
    return min(modules, key=lambda module: (_normal(module) != _normal(name), module))


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
