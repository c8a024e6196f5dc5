"""``scaat completion``: completion of commands, options and names in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from scaat.cli import bash  # noqa: F401  (its script is bash's)
from scaat.cli.command import SectionedCommand
from scaat.cli.group import VARIABLE
from scaat.cli.types import Choice

SHELLS = ("bash", "zsh", "fish")


def completion(shell: str) -> None:
    """Print the script that makes SHELL complete what is typed after scaat.

    \b
    bash: eval "$(scaat completion bash)"    # in ~/.bashrc
    zsh:  eval "$(scaat completion zsh)"     # in ~/.zshrc, after compinit
    fish: scaat completion fish > ~/.config/fish/completions/scaat.fish
    """  # noqa: D301  (click's mark of lines to keep)
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "scaat", VARIABLE).source())


command = SectionedCommand(
    "completion",
    callback=completion,
    help=completion.__doc__,
    has_result=False,
    params=[click.Argument(["shell"], type=Choice(SHELLS))],
)
