"""The command line: thin commands that parse, call the layers below and print."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``scaat``; bad input prints one sentence and exits with status 2."""
    try:
        from scaat.cli.commands import run
    except ImportError as error:
        sys.exit(missing_extra(error))
    run()


def missing_extra(error: ImportError) -> int:
    """Print what to install, in one sentence, and return the exit status."""
    of_app = error.name in ("gradio", "fastapi", "starlette", "uvicorn")
    needs = (
        "scaat app needs the extra 'app'" if of_app else "the command line needs the extra 'run'"
    )
    print(
        f"error: {error.name} is not installed: {needs} "
        f"(pip install 'scaat[{'app' if of_app else 'run'}]')",
        file=sys.stderr,
    )
    return 2
