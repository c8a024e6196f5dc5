"""Help texts of options, read from the docstrings that declare them; needs no torch."""

from __future__ import annotations

import inspect
import re


def argument_help(docstring: str) -> dict[str, str]:
    """Return the text of each argument in the ``Args`` of a docstring, by name, in one line each.

    The section ends with the first empty line.
    """
    section = inspect.cleandoc(docstring).partition("\n\nArgs:\n")[2].partition("\n\n")[0]
    texts = re.findall(r"^ {4}(\w+): (.*(?:\n {5}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "") for name, text in texts}
