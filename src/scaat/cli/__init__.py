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
    user, extra = "the command line", "run"
    if error.name in ("gradio", "fastapi", "starlette", "uvicorn"):
        user, extra = "scaat app", "app"
    needs = f"{user} needs the extra {extra!r} (pip install 'scaat[{extra}]')"
    print(f"error: {error.name} is not installed: {needs}", file=sys.stderr)
    return 2
