"""A run's model as a folder to give away: files, card and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scaat.files import new_folder, require_new, write_bytes, write_text
from scaat.sharing.card import Card, model_card
from scaat.sharing.files import save_shared
from scaat.sharing.hub import check_licence, check_repo_id
from scaat.sharing.run import FIGURES, Run, open_run, public_config, public_training

CARD = "README.md"
_EXAMPLES = "examples-"  # what the report calls the figure of a saliency method


def share_run(
    run: Path | str,
    folder: Path | str,
    *,
    method: str | None = None,
    repo_id: str | None = None,
    licence: str | None = None,
    pictures: bool = True,
) -> None:
    """Write the model of a run, its card and its pictures to a new folder.

    The folder holds what `load_shared` reads, ``README.md`` and, where the run has a report,
    its figures with saliency maps of test images. Paths of this machine are left out. It appears
    whole or not at all.

    Args:
        run: Folder of a run of ``scaat train`` or ``scaat compare``.
        folder: New or empty.
        method: Which of a comparison's models; None where there is one.
        repo_id: Where on a hub it will go (``user/name``), for the card's code; nothing is sent.
        licence: The hub's name of the model's licence, such as ``apache-2.0``; the card names
            none if not given.
        pictures: Whether to include the figures, which show test images.

    Raises:
        InputError: The run has no such model, a file is damaged, the folder is not empty, or a
            name is none of a hub's.
        WriteError: The folder cannot be written.
    """
    folder = Path(folder)
    require_new(folder)
    if repo_id is not None:
        check_repo_id(repo_id)
    if licence is not None:
        check_licence(licence)
    opened = open_run(run, method)
    model = replace(opened.model, training=public_training(opened.model.training, opened.config))
    shown = _pictures(opened) if pictures else {}
    card = Card(
        title=repo_id.rpartition("/")[2] if repo_id else folder.resolve().name,
        model=model,
        config=public_config(opened.config),
        comparison=opened.comparison,
        pictures={name: f"{FIGURES}/{path.name}" for name, path in shown.items()},
        repo_id=repo_id,
        licence=licence,
    )
    text = model_card(card)
    with new_folder(folder) as part:
        save_shared(model, part)
        for path in shown.values():
            write_bytes(part / FIGURES / path.name, path.read_bytes())
        write_text(part / CARD, text)


def _pictures(run: Run) -> dict[str, Path]:
    """Return the report's figure of each saliency method, in the order of the results."""
    if run.figures is None or run.comparison is None:
        return {}
    figures = {
        path.stem.removeprefix(_EXAMPLES): path for path in run.figures.glob(f"{_EXAMPLES}*.png")
    }
    return {name: figures[name] for name in run.comparison.attributions if name in figures}
