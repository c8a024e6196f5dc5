"""Whether packages and machine are fit to run scaat.

Imports only ``packaging`` before it looks, so that it can report any other package as broken.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import shutil
import warnings
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from scaat import __version__
from scaat.hardware import available_memory, core_quota, usable_cores

__all__ = ["diagnose"]

CORE = "core"
"""The name, among the extras, of what every installation has."""


@dataclass(frozen=True)
class Package:
    """A package that scaat requires."""

    name: str  # on the package index
    wanted: str  # the versions that scaat requires (``>=2.4``); "" for any
    installed: str | None  # the installed version
    faults: tuple[str, ...] = ()  # of the installed one, a sentence each


def diagnose(folder: Path) -> dict[str, Any]:
    """Check the installation and the machine; a missing or broken package does not stop it.

    Args:
        folder: Where commands would write.

    Returns:
        Fit for JSON: ``version`` of scaat; ``extras``, with the packages of each and of every
        installation (``core``); ``precision``, what ``auto`` means in a training here, and why;
        ``free_memory`` and ``free_disk`` in bytes, None if unknown; ``environment``, the report of
        `torch.utils.collect_env`; ``broken``, a sentence for each problem that prevents the command
        line from working; and other ``problems``.
    """
    broken: list[str] = []
    problems: list[str] = []
    try:
        extras = read_extras()
    except metadata.PackageNotFoundError:
        extras = {}
        problems.append(
            "scaat runs from its source without being installed, so its requirements are unknown: "
            "pip install scaat"
        )
    described = {}
    for extra, packages in extras.items():
        needed = extra in (CORE, "run")  # without these the command line does not work
        missing = [package.name for package in packages if package.installed is None]
        install = "pip install scaat" if extra == CORE else f"pip install 'scaat[{extra}]'"
        described[extra] = {
            "complete": not missing,
            "install": install,
            "packages": [asdict(package) for package in packages],
        }
        if needed and missing:
            broken.append(
                f"{', '.join(missing)}: not installed; the command line needs it: {install}"
            )
        # A package may belong to several extras; those that the command line needs come first.
        faults = [fault for package in packages for fault in package.faults if fault not in broken]
        (broken if needed else problems).extend(faults)
    try:
        disk = shutil.disk_usage(folder).free
    except OSError:
        disk = None
    if not os.access(folder, os.W_OK | os.X_OK):
        problems.append(f"the current folder {str(folder)!r} is not writable: set --out elsewhere")
    precision, environment = "unknown", ""
    if import_error("torch") is None:
        precision, environment = _precision(), _environment()
        problems += check_torch()
    return {
        "version": __version__,
        "extras": described,
        "precision": precision,
        "free_memory": available_memory(),
        "free_disk": disk,
        "environment": environment,
        "broken": broken,
        "problems": list(dict.fromkeys(problems)),
    }


def read_extras(distribution: str = "scaat") -> dict[str, list[Package]]:
    """Return the packages of a distribution by extra: `CORE`, ``run``, then the others."""
    names = metadata.metadata(distribution).get_all("Provides-Extra") or []
    asked = map(Requirement, metadata.requires(distribution) or [])
    wanted = [requirement for requirement in asked if requirement.name != distribution]
    versions = {requirement.name: _version(requirement.name) for requirement in wanted}
    modules = metadata.packages_distributions()
    packages = {item.name: _inspect(item, versions, modules) for item in wanted}
    core = [item.name for item in wanted if item.marker is None]
    extras = {CORE: [packages[name] for name in core]}
    for extra in sorted(names, key=lambda name: name != "run"):
        extras[extra] = [
            packages[item.name]
            for item in wanted
            if item.marker is not None and item.marker.evaluate({"extra": extra})
        ]
    return extras


def import_error(module: str) -> str | None:
    """Import a module; return why that fails, in one line, or None."""
    sink = io.StringIO()
    with (
        warnings.catch_warnings(action="ignore"),
        contextlib.redirect_stdout(sink),
        contextlib.redirect_stderr(sink),
    ):
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken package raises anything
            text = " ".join(str(error).split())
            return f"{type(error).__name__}: {text}" if text else type(error).__name__
    return None


def check_torch() -> list[str]:
    """Return what hinders PyTorch on this machine, a sentence each."""
    import torch

    problems = []
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    if driver and not torch.cuda.is_available():
        build = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        problems.append(
            f"the machine has an NVIDIA driver, but torch (built {build}) has no GPU: install the "
            "build of torch that fits the driver (pytorch.org), or check CUDA_VISIBLE_DEVICES"
        )
    threads, cores = torch.get_num_threads(), max(1, int(core_quota() or usable_cores()))
    if threads > cores:
        problems.append(
            f"torch uses {threads} threads on {cores} cores, which is slow: set "
            f"OMP_NUM_THREADS={cores}"
        )
    elif threads < cores and (limit := os.environ.get("OMP_NUM_THREADS")):
        problems.append(
            f"OMP_NUM_THREADS={limit} leaves {cores - threads} of {cores} cores unused, unless "
            "other processes need them"
        )
    return problems


def _precision() -> str:
    try:
        from scaat.training.devices import automatic_precision

        return ": ".join(automatic_precision())
    except Exception as error:  # a package of the extra `run`, reported on its own
        return f"unknown, as training cannot be imported ({error})"


def _environment() -> str:
    try:
        from torch.utils.collect_env import get_pretty_env_info

        return str(get_pretty_env_info())
    except Exception as error:  # it calls programs of the system and parses what they print
        return f"torch.utils.collect_env failed ({type(error).__name__}: {error})"


def _inspect(
    wanted: Requirement, versions: dict[str, str | None], modules: dict[str, list[str]] | Any
) -> Package:
    name, specifier, installed = wanted.name, wanted.specifier, versions[wanted.name]
    if installed is None:
        return Package(name, str(specifier), None)
    faults = []
    if not specifier.contains(installed, prereleases=True):
        faults.append(
            f"{name} is {installed}, expected {specifier}: pip install '{name}{specifier}'"
        )
    own = [
        module
        for module, owners in modules.items()
        if not module.startswith("_") and _normal(name) in map(_normal, owners)
    ]
    if own:  # the module with the package's name, else the first
        module = min(own, key=lambda module: (_normal(module) != _normal(name), module))
        if error := import_error(module):
            faults.append(f"{name} {installed} cannot be imported ({error})")
    for text in metadata.requires(name) or []:
        asked = Requirement(text)
        version = versions.get(asked.name)
        applies = asked.marker is None or asked.marker.evaluate({"extra": ""})
        if version and applies and not asked.specifier.contains(version, prereleases=True):
            faults.append(
                f"{name} {installed} requires {asked.name}{asked.specifier}, found {version}: "
                f"install a matching {name}"
            )
    return Package(name, str(specifier), installed, tuple(faults))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
