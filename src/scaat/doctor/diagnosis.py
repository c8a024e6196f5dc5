"""Everything together, and the problems in plain sentences."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from scaat import __version__
from scaat.doctor.machine import Machine, look_at_machine
from scaat.doctor.packages import CORE, Package, import_error, read_extras

COMMAND_LINE = (CORE, "run")
"""The extras without which the command line does not work."""


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found.

    Attributes:
        versions: Of Python and scaat, by name.
        extras: The packages by extra; of every installation under ``""``.
        machine: What there is to compute with.
        broken: Problems for which the command line does not work, a sentence each.
        problems: Others.
    """

    versions: dict[str, str]
    extras: dict[str, list[Package]]
    machine: Machine
    broken: list[str]
    problems: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return everything, fit for JSON."""
        extras = {
            extra or "core": {
                "complete": not missing(packages),
                "install": install_command(extra),
                "packages": [asdict(package) for package in packages],
            }
            for extra, packages in self.extras.items()
        }
        return {
            "versions": self.versions,
            "machine": asdict(self.machine),
            "extras": extras,
            "broken": self.broken,
            "problems": self.problems,
        }


def diagnose(folder: Path) -> Diagnosis:
    """Look at the installation and the machine; no package that is missing or broken stops it.

    Args:
        folder: Where commands would write.
    """
    versions = {"scaat": __version__, "Python": platform.python_version()}
    try:
        extras = read_extras()
    except metadata.PackageNotFoundError:
        extras = {}
    machine = look_at_machine(folder, torch_works=import_error("torch") is None)
    broken, problems = [], []
    if not extras:
        problems.append(
            "scaat runs from its source without being installed, so what it needs is not known: "
            "pip install scaat"
        )
    told = set()
    # What the command line needs comes first, since a package may be of several extras.
    for extra in sorted(extras, key=lambda name: name not in COMMAND_LINE):
        packages, needed = extras[extra], extra in COMMAND_LINE
        if needed and (lacking := missing(packages)):
            names = ", ".join(lacking)
            broken.append(
                f"{names}: not installed; the command line needs it: {install_command(extra)}"
            )
        for package in packages:
            if package.name not in told:
                told.add(package.name)
                (broken if needed else problems).extend(package.faults)
    return Diagnosis(versions, extras, machine, broken, [*problems, *_of_machine(machine, folder)])


def missing(packages: list[Package]) -> list[str]:
    """Return the names of the packages that are not installed."""
    return [package.name for package in packages if package.installed is None]


def install_command(extra: str) -> str:
    """Return the command that installs an extra, or what every installation has."""
    return f"pip install 'scaat[{extra}]'" if extra else "pip install scaat"


def _of_machine(machine: Machine, folder: Path) -> list[str]:
    found = []
    if not machine.writable:
        found.append(f"the current folder {str(folder)!r} cannot be written: give --out elsewhere")
    if machine.nvidia_driver and machine.torch_build == "cpu":
        found.append(
            "there is a driver of NVIDIA's, but torch was built without CUDA: install the build "
            "of torch that fits it (pytorch.org)"
        )
    if (
        machine.nvidia_driver
        and not machine.gpus
        and (machine.torch_build or "").startswith("CUDA")
    ):
        found.append(
            f"there is a driver of NVIDIA's, but torch ({machine.torch_build}) finds no GPU: the "
            "driver may be too old, or CUDA_VISIBLE_DEVICES hides it"
        )
    threads, allowed = machine.threads, machine.quota or machine.cores
    if threads is not None and threads > max(1, allowed):
        found.append(
            f"torch computes with {threads} threads on {allowed:g} cores, which slows it down: "
            f"set OMP_NUM_THREADS={max(1, int(allowed))}"
        )
    elif threads is not None and machine.omp_num_threads and threads < int(allowed):
        found.append(
            f"OMP_NUM_THREADS={machine.omp_num_threads} leaves {int(allowed) - threads} of "
            f"{int(allowed)} cores unused, unless other processes have them"
        )
    if sys.maxsize < 2**32:
        found.append("this Python has 32 bits, for which there is no torch")
    return found
