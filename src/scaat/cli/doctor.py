"""``scaat doctor``, which needs click and nothing else of the extra ``run`` that it reports on."""

from __future__ import annotations

from pathlib import Path

import click

from scaat.cli.output import ExitWithResult, Result, complain, mode
from scaat.doctor import CORE, diagnose


def doctor() -> Result:
    """Check packages and machine, and print PyTorch's report of the environment."""
    diagnosis = diagnose(Path.cwd())
    shown = not (mode().quiet or mode().json)
    if shown:
        click.echo(_text(diagnosis))
    for sentence in (*diagnosis["broken"], *diagnosis["problems"]):
        complain(f"problem: {sentence}")
    if diagnosis["broken"]:
        raise ExitWithResult(diagnosis)
    if shown and not diagnosis["problems"]:
        click.echo("No problem was found.")
    return diagnosis


def _text(diagnosis: Result) -> str:
    rows = [("scaat", diagnosis["version"])]
    for extra in (CORE, "run"):
        for package in diagnosis["extras"].get(extra, {}).get("packages", []):
            note = " (see below)" if package["faults"] else ""
            rows.append((package["name"], f"{package['installed'] or 'not installed'}{note}"))
    rows += [
        ("precision", f"auto is {diagnosis['precision']}"),
        ("free memory", _gib(diagnosis["free_memory"])),
        ("free disk", f"{_gib(diagnosis['free_disk'])} in the current folder"),
    ]
    for extra, state in diagnosis["extras"].items():
        names = ", ".join(p["name"] for p in state["packages"] if p["installed"] is None)
        said = f"would add {names}: {state['install']}" if names else "installed"
        rows.append((f"extra {extra}", said))
    width = max(len(name) for name, _ in rows)
    table = [f"{name:<{width}}  {text}" for name, text in rows]
    return "\n".join([diagnosis["environment"], "", *table, ""])


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"
