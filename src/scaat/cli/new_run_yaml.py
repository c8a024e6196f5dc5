"""Settings as YAML with a comment above each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import yaml

from scaat.suggestions import Setting

WIDTH = 96


def commented(settings: Sequence[Setting], data: str) -> str:
    """Return a configuration file's text.

    Args:
        settings: In the order of the file; those of one section stand together.
        data: What the settings are for, named in the first line.
    """
    head = (
        f"Settings for {data!r} to begin with, by scaat new-run. 'Measured' means: in the runs of "
        "results/README.md. A flag of the command line wins over this file."
    )
    lines = _comment(head, "")
    before: list[str] = []
    for setting in settings:
        *sections, name = setting.name.split(".")
        for depth, section in enumerate(sections):
            if before[: depth + 1] != sections[: depth + 1]:
                lines.append(f"{'  ' * depth}{section}:")
        before = sections
        indent = "  " * len(sections)
        lines += _comment(setting.why, indent)
        dumped = yaml.safe_dump({name: setting.value}, allow_unicode=True, width=10_000)
        lines.append(f"{indent}{dumped.strip()}")
    return "\n".join(lines) + "\n"


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )
