"""``scaat doctor``: is everything there, and what is there?

It needs click and nothing else of the extra ``run``, so it can say what of that is missing.
"""

from __future__ import annotations

from pathlib import Path

import click

from scaat.cli.output import ExitWithResult, Result, complain, mode
from scaat.doctor import Diagnosis, diagnose
from scaat.doctor.diagnosis import install_command, missing
from scaat.doctor.packages import CORE, Package


def doctor() -> Result:
    """Show versions, devices and what is wrong with them."""
    found = diagnose(Path.cwd())
    if not (mode().quiet or mode().json):
        for line in _lines(found):
            click.echo(line)
    for sentence in (*found.broken, *found.problems):
        complain(f"problem: {sentence}")
    if found.broken:
        raise ExitWithResult(found.as_json())
    if not found.problems and not mode().quiet and not mode().json:
        click.echo("No problem was found.")
    return found.as_json()


def _lines(found: Diagnosis) -> list[str]:
    machine = found.machine
    rows = [*found.versions.items()]
    for extra in (CORE, "run"):
        rows += [(package.name, _state(package)) for package in found.extras.get(extra, [])]
    rows.append(("", ""))
    quota = "" if machine.quota is None else f", time of {machine.quota:g} of them"
    threads = "" if machine.threads is None else f", torch uses {machine.threads}"
    rows.append(("processor", f"{machine.cpu}: {machine.cores} cores{quota}{threads}"))
    for number, gpu in enumerate(machine.gpus):
        rows.append(
            (f"GPU {number}", f"{gpu.name}: {_gib(gpu.free)} of {_gib(gpu.memory)} are free")
        )
    if not machine.gpus:
        rows.append(("GPU", f"none that torch can use (built for {machine.torch_build})"))
    if machine.precision_reason:
        chosen = f"auto is {machine.precision}: " if machine.precision else ""
        rows.append(("precision", chosen + machine.precision_reason))
    rows.append(("free memory", _gib(machine.free_memory)))
    rows.append(("free disk", f"{_gib(machine.free_disk)} in the current folder"))
    rows.append(("", ""))
    for extra, packages in found.extras.items():
        if extra != CORE:
            rows.append((f"extra {extra}", _extra(extra, packages)))
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {text}".rstrip() for name, text in rows] + [""]


def _state(package: Package) -> str:
    if package.installed is None:
        return "not installed"
    return f"{package.installed}{'' if not package.faults else ' (see below)'}"


def _extra(extra: str, packages: list[Package]) -> str:
    lacking = missing(packages)
    if not lacking:
        return "installed"
    return f"would add {', '.join(lacking)}: {install_command(extra)}"


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"
