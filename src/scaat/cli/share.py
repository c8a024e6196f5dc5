"""``scaat share``: a trained model as a folder to give away."""

from __future__ import annotations

from pathlib import Path

import click

from scaat.cli.command import SectionedCommand
from scaat.cli.interruption import if_interrupted
from scaat.cli.output import Result, console
from scaat.sharing import push, share_run


@if_interrupted("the folder is whole or not there; a hub may hold a part of it")
def share(
    run: Path,
    out: Path,
    method: str | None,
    licence: str | None,
    no_pictures: bool,
    repo_id: str | None,
    private: bool,
) -> Result:
    """Write the model of RUN, of scaat train or scaat compare, as a folder to give away.

    Writes model.safetensors, config.json, the model card README.md and, where the run has a
    report, its figures of saliency maps, which show test images. With --repo-id the folder is
    sent to a hub, too. Load it with scaat.sharing.load_shared, or use it as RUN of scaat
    evaluate, explain and export.
    """
    if private and repo_id is None:
        raise click.UsageError("--private goes with --repo-id")
    share_run(run, out, method=method, repo_id=repo_id, licence=licence, pictures=not no_pictures)
    say = console(stderr=False)
    say.print(f"Shared model: {out}", soft_wrap=True, highlight=False, markup=False)
    sent = None
    if repo_id is not None:
        sent = push(out, repo_id, private=private)
        say.print(f"Sent: {sent}", soft_wrap=True, highlight=False, markup=False)
    return {"out": str(out), "sent": sent}


def method_option() -> click.Option:
    """Return ``--method``, which chooses a model of a comparison."""
    return click.Option(["--method"], help="Which of a comparison's models, such as scaat.")


command = SectionedCommand(
    "share",
    callback=share,
    help=share.__doc__,
    params=[
        click.Argument(
            ["run"], metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path)
        ),
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path),
            required=True,
            help="Folder for everything that is written; new or empty.",
        ),
        method_option(),
        click.Option(
            ["--licence", "--license"],
            help="The model's licence by its name on the hub, such as apache-2.0; the card names "
            "none if not given.",
        ),
        click.Option(
            ["--no-pictures"], is_flag=True, help="Leave out the figures, which show test images."
        ),
        click.Option(
            ["--repo-id"],
            metavar="USER/NAME",
            help="Send the folder to this repository of a Hugging Face hub, made if missing (token "
            "and address as huggingface_hub has them).",
        ),
        click.Option(["--private"], is_flag=True, help="Make the repository a private one."),
    ],
)
