"""What the commands share that carry out many trials: their order, progress and tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import yaml
from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from scaat.cli.output import console, mode
from scaat.cli.runs import (
    command_line,
    evaluation_device,
    evaluation_progress,
    load_splits,
)
from scaat.data import DataSplits
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.files import require_new, write_text
from scaat.report.tables.table import Table
from scaat.studies import Part, Trial, carry_out
from scaat.studies.trial import failure_of, plain


class Seeds(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """Different whole numbers of 0 or more, separated by commas."""

    name = "seed,..."
    takes_list = True

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the seeds, or fail with one sentence."""
        parts = value if isinstance(value, list | tuple) else str(value).split(",")
        texts = [str(part).strip() for part in parts]
        if not texts or not all(t.isdecimal() for t in texts) or len(set(texts)) < len(texts):
            self.fail(f"{value!r} is no list of different seeds (write 0,1,2).")
        return tuple(map(int, texts))


def seeds_option(default: str | None, described: str | None = None) -> click.Option:
    """Return ``--seeds``; ``described`` says the default in words where it is None."""
    told = "" if described is None else f" Default: {described}."
    return click.Option(
        ["--seeds"],
        type=Seeds(),
        default=default,
        show_default=default is not None,
        help="Seeds of the split, the weights and every random draw; each trial is trained with "
        f"each.{told}",
    )


def claim(path: Path, asked: Mapping[str, Any], *, resume: bool) -> None:
    """Write what is asked for to ``path``, in a new folder, or to go on in the one that has it.

    Raises:
        InputError: The folder holds something, or (to resume) no such file.
    """
    if not resume:
        require_new(path.parent)
    elif not path.is_file():
        raise InputError(
            f"folder {str(path.parent)!r} has no {path.name}, so there is nothing to resume"
        )
    write_text(path, yaml.safe_dump(plain(asked), sort_keys=False, allow_unicode=True))


def carry_out_all(
    trials: Sequence[Trial], folder: Path, evaluation: EvaluationOptions, *, part: Part
) -> tuple[list[Path], dict[str, str]]:
    """Carry out trials one after the other, with progress; those that are done are kept.

    Returns:
        The folders with results, and by trial why it has none.
    """
    done: list[Path] = []
    failed = {}
    for number, trial in enumerate(trials, start=1):
        splits = _loaded(json.dumps([trial.config["data"], trial.config["seed"]]))
        name = f"{trial.title}, seed {trial.config['seed']}"
        console().print(
            f"Trial {number} of {len(trials)}: [bold]{name}[/bold]", soft_wrap=True, highlight=False
        )
        place = folder / trial.folder
        results = carry_out(
            trial,
            place,
            splits,
            evaluation,
            part=part,
            device=evaluation_device(trial.config["training"]["accelerator"]),
            quiet=mode().quiet,
            show=evaluation_progress,
            provenance={"command": command_line()},
        )
        done += results
        if results:
            continue
        failed[name] = failure_of(place) or ""
        console().print(f"  {failed[name]}", soft_wrap=True, highlight=False, markup=False)
    return done, failed


@lru_cache(maxsize=2)  # experiments take turns between two data sets at the small scale
def _loaded(wanted: str) -> DataSplits:
    data, seed = json.loads(wanted)
    return load_splits({"data": data, "seed": seed})


def show_table(table: Table) -> None:
    """Print a table's values, without their intervals, on standard output."""
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    shown.title = Text(table.caption)
    for head in table.heads:
        shown.add_column(Text(head), justify="left" if head == table.stub else "right")
    for heads, cells in table.grid:
        shown.add_row(
            *map(Text, heads),
            *(Text(cell.value, style="bold" if cell.best else "") for cell in cells),
        )
    console(stderr=False).print(shown)
