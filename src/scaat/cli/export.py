"""``scaat export``: a trained model for prediction by other programs."""

from __future__ import annotations

from pathlib import Path

import click

from scaat.cli.command import SectionedCommand
from scaat.cli.interruption import if_interrupted
from scaat.cli.output import Result, console
from scaat.cli.share import method_option
from scaat.cli.types import Choice
from scaat.errors import InputError
from scaat.sharing import FORMATS, SharedModel, export_model, is_shared, load_shared, open_run
from scaat.sharing.exporting import RANDOM_BATCHES, TOLERANCE


@if_interrupted("nothing was written")
def export(run: Path, out: Path, format_: str, method: str | None, probabilities: bool) -> Result:
    """Write the model of RUN, a run's folder or a shared one, for prediction.

    Images in [0, 1] (N, channels, height, width) go in, for any N; logits come out. Normalisation
    is inside, the classes' names stand in the file. It is written only if it gives the model's
    own outputs on random images and on the test images that the run shows.
    """
    if out.exists():
        raise InputError(f"output {str(out)!r} exists: expected the name of a new file")
    images = None
    if is_shared(run):
        if method is not None:
            raise click.UsageError("--method goes with a comparison, found a shared model")
        model: SharedModel = load_shared(run)
    else:
        found = open_run(run, method)
        model, images = found.model, found.images
    difference = export_model(model, out, format_, probabilities=probabilities, images=images)
    real = "" if images is None else f" and {len(images)} test"
    console(stderr=False).print(
        f"{out}: differs from the model by at most {difference:.1e} of the largest logit on "
        f"{sum(RANDOM_BATCHES)} random{real} images (accepted: {TOLERANCE:.0e})",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    return {"out": str(out), "format": format_, "largest_difference": difference}


command = SectionedCommand(
    "export",
    callback=export,
    help=export.__doc__,
    params=[
        click.Argument(
            ["run"], metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path)
        ),
        click.Option(
            ["--format", "format_"],
            type=Choice(list(FORMATS)),
            required=True,
            help="onnx (needs the extra export) or torch-export (a .pt2 file of PyTorch).",
        ),
        click.Option(
            ["--out"],
            type=click.Path(dir_okay=False, path_type=Path),
            required=True,
            help="The file; new.",
        ),
        method_option(),
        click.Option(
            ["--probabilities"], is_flag=True, help="Give the softmax of the logits, too."
        ),
    ],
)
