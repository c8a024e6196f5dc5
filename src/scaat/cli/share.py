"""``scaat share`` and ``scaat export``: a trained model for others and for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from scaat.cli.output import Result, if_interrupted, say
from scaat.errors import InputError
from scaat.sharing import (
    SharedModel,
    export_model,
    is_shared,
    load_shared,
    open_run,
    push,
    share_run,
)
from scaat.sharing.exporting import RANDOM_BATCHES, TOLERANCE


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
    """Write the model of RUN, of scaat train or scaat compare, as a folder to give away."""
    if private and repo_id is None:
        raise click.UsageError("--private goes with --repo-id")
    share_run(run, out, method=method, repo_id=repo_id, licence=licence, pictures=not no_pictures)
    say(f"Shared model: {out}")
    sent = None
    if repo_id is not None:
        sent = push(out, repo_id, private=private)
        say(f"Sent: {sent}")
    return {"out": str(out), "sent": sent}


@if_interrupted("nothing was written")
def export(run: Path, out: Path, format_: str, method: str | None, probabilities: bool) -> Result:
    """Write the model of RUN, a run's folder or a shared one, for prediction."""
    if out.exists():
        raise InputError(f"output {str(out)!r} exists: expected the name of a new file")
    images = None
    if is_shared(run):
        if method is not None:
            raise click.UsageError("--method goes with a comparison, found a shared model")
        model: SharedModel = load_shared(run)
    else:
        opened = open_run(run, method)
        model, images = opened.model, opened.images
    difference = export_model(model, out, format_, probabilities=probabilities, images=images)
    real = "" if images is None else f" and {len(images)} test"
    say(
        f"{out}: differs from the model by at most {difference:.1e} of the largest logit on "
        f"{sum(RANDOM_BATCHES)} random{real} images (accepted: {TOLERANCE:.0e})"
    )
    return {"out": str(out), "format": format_, "largest_difference": difference}
