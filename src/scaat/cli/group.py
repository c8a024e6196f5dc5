"""The group of commands, each imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys

import click
from click.shell_completion import CompletionItem

from scaat import __version__
from scaat.cli.interruption import Interrupted
from scaat.errors import (
    InputError,
    MemoryExhaustedError,
    NonFiniteLossError,
    TrainingStopped,
    WriteError,
    did_you_mean,
)

VARIABLE = "_SCAAT_COMPLETE"
"""The environment variable by which click knows that a shell asks for completion."""

SUMMARIES = {
    "new-run": "Look at your images and write a commented configuration.",
    "compare": "Train several methods on one data set, evaluate them, write a report.",
    "train": "Train one model with one method.",
    "sweep": "Try settings, each measured on validation images.",
    "reproduce": "Carry out the experiments of the paper, from data to table.",
    "evaluate": "Measure the saliency maps of a trained model.",
    "explain": "Show which pixels of your images drive models' decisions.",
    "data": "List, inspect, check and convert data sets.",
    "report": "Make tables, figures and the HTML report from results files.",
    "share": "Write a trained model as a folder to give away, with a model card.",
    "export": "Write a trained model for prediction: ONNX or torch.export.",
    "cost": "Measure passes, time and memory of a step of each training method.",
    "completion": "Print the script for completion in bash, zsh or fish.",
    "doctor": "Show versions, devices and what is wrong with them.",
}


class LazyGroup(click.Group):
    """Imports a command's module on use, so that ``scaat --help`` does not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a typical session."""
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, or fail with the nearest name."""
        if cmd_name not in SUMMARIES:
            if ctx.resilient_parsing:  # a shell asks what may come next
                return None
            ctx.fail(f"No such command {cmd_name!r}{did_you_mean(cmd_name, SUMMARIES)}.")
        module = f"scaat.cli.{cmd_name.replace('-', '_')}"
        command: click.Command = importlib.import_module(module).command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without importing it."""
        found = [
            CompletionItem(name, help=summary)
            for name, summary in SUMMARIES.items()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="scaat %(version)s")
def cli() -> None:
    """Train image classifiers whose saliency maps are sparse and faithful, and measure them.

    Start with: scaat compare --out runs/first

    With images of your own: scaat new-run FOLDER --out run.yaml. Something wrong: scaat doctor.
    For completion in the shell: scaat completion --help.
    """


def run() -> None:
    """Run the command line and turn expected failures into one sentence and a status."""
    if VARIABLE in os.environ:
        from scaat.cli import bash  # noqa: F401  (a shell asks: registers how bash is answered)
    try:
        # click catches an exit of a command's own and returns its status.
        status = cli.main(standalone_mode=False, prog_name="scaat")
        if isinstance(status, int):
            sys.exit(status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (Interrupted, KeyboardInterrupt, click.Abort) as stop:
        click.echo(str(stop) or "interrupted", err=True)
        sys.exit(130)
    except TrainingStopped as stop:
        from scaat.training.devices import is_main_process

        if is_main_process():
            click.echo(str(stop), err=True)
        sys.exit(128 + stop.signal_number)
    except (InputError, NonFiniteLossError, MemoryExhaustedError, WriteError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"error: {str(error.filename)!r}: {error.strerror}", err=True)
        sys.exit(1)
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] == "scaat":
            raise
        from scaat.cli import _missing_extra

        sys.exit(_missing_extra(error))
