"""A run's model as a folder to give away: files, pictures, and a card of what was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from scaat.display.labels import METRICS, PERFORMANCE, attribution_name, method_name
from scaat.display.overlay import DISPLAY_RULE
from scaat.display.table import escape, markdown_section
from scaat.files import new_folder, require_new, write_bytes, write_text
from scaat.report.results import Comparison, flatten
from scaat.report.tables import comparison_table, further_tables, performance_table
from scaat.sharing.files import SharedModel, own_module, save_shared
from scaat.sharing.hub import check_licence, check_repo_id
from scaat.sharing.run import FIGURES, data_name, open_run, public_config, public_training

CITATION = """\
@misc{scaat,
  title = {{SCAAT}: Improving Neural Network Interpretability via Saliency Constrained Adaptive
           Adversarial Training},
  author = {Xu, Rui and Qin, Wenkang and Huang, Peixiang and Wang, Hao and Luo, Lin},
}
"""

_HUB_METRICS = {"auc": "roc_auc"}  # where the hub's name is another one


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

    The folder holds what `load_shared` reads, ``README.md`` and, where the run has a report, its
    figures with saliency maps of test images. Paths of this machine are left out. It appears whole
    or not at all.

    Args:
        run: Folder of a run of ``scaat train`` or ``scaat compare``.
        folder: New or empty.
        method: Which of a comparison's models; None where there is one.
        repo_id: Where on a hub it will go (``user/name``), for the card's code; nothing is sent.
        licence: The hub's name of the model's licence, such as ``apache-2.0``; None names none.
        pictures: Whether to include the figures, which show test images.

    Raises:
        InputError: The run has no such model, a file is damaged, the folder is not empty, or a name
            is none of a hub's.
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
    shown: dict[str, Path] = {}
    if pictures and opened.figures is not None and opened.comparison is not None:
        # The report's figure of each saliency method, in the order of the results.
        for name in opened.comparison.attributions:
            path = opened.figures / f"examples-{name}.png"
            if path.exists():
                shown[name] = path
    title = repo_id.rpartition("/")[2] if repo_id else folder.resolve().name
    config, comparison = public_config(opened.config), opened.comparison
    # Names in the card cannot format anything.
    sections = {
        "": _summary(title, model, config),
        "Load": _load(model, repo_id),
        "Results": _results(model, comparison),
        "Saliency maps": _pictures({name: path.name for name, path in shown.items()}),
        "Classes": _table(("Number", "Class"), list(enumerate(model.classes))),
        "Training": _training(model, config),
        "Intended use and limits": _limits(model, comparison),
        "Citation": f"```bibtex\n{CITATION}```\n",
    }
    text = "\n".join(
        f"## {heading}\n\n{body}" if heading else body for heading, body in sections.items() if body
    )
    front = _front_matter(title, model, comparison, licence)
    with new_folder(folder) as part:
        save_shared(model, part)
        for path in shown.values():
            write_bytes(part / FIGURES / path.name, path.read_bytes())
        write_text(part / "README.md", f"---\n{front}---\n\n{text}")


def _front_matter(
    title: str, model: SharedModel, comparison: Comparison | None, licence: str | None
) -> str:
    tags = ["scaat", "image-classification", "interpretability", "saliency", model.method]
    matter: dict[str, Any] = {
        "library_name": "scaat",
        "pipeline_tag": "image-classification",
        "tags": list(dict.fromkeys(filter(None, tags))),
    }
    if licence:
        matter["license"] = licence
    if comparison is not None:
        measured = _metrics(comparison, str(model.method))
        matter["metrics"] = list(dict.fromkeys(m["type"] for m in measured if "args" not in m))
        data = _one_line(data_name(comparison.data))
        result = {
            "task": {"type": "image-classification", "name": "Image classification"},
            "dataset": {"type": data, "name": data},
            "metrics": measured,
        }
        matter["model-index"] = [{"name": _one_line(title), "results": [result]}]
    return yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)


def _metrics(comparison: Comparison, method: str) -> list[dict[str, Any]]:
    """Return the model's measured values as the hub's model index lists them, in stored units."""
    values: list[dict[str, Any]] = []
    rows = [comparison.model_row(method)]
    rows += [r for a in comparison.attributions if (r := comparison.row(method, a)) is not None]
    for number, row in enumerate(rows):
        for key, estimate in row.metrics.items():
            of_model = key in PERFORMANCE
            if estimate is None or estimate.value is None or of_model != (number == 0):
                continue
            metric = METRICS[key]
            name = metric.name
            if not of_model:
                # The other units are those of printed values.
                unit = f" ({metric.unit})" if metric.unit and metric.scale == 1 else ""
                name = f"{name}{unit}, {attribution_name(row.attribution)}"
            entry = {"type": _HUB_METRICS.get(key, key), "name": name, "value": estimate.value}
            values.append(entry if of_model else entry | {"args": {"attribution": row.attribution}})
    return values


def _summary(title: str, model: SharedModel, config: Mapping[str, Any]) -> str:
    height, width = model.image_size
    how = f" by the method {escape(method_name(model.method))}" if model.method else ""
    data = config.get("data") or {}
    name = data.get("name") or data.get("data")
    on = f" on {escape(data_name(str(name)))}" if name else ""
    shuffled = (
        "\nThe labels of its training images were **shuffled**: it serves the sanity check of "
        "saliency maps alone.\n"
        if data.get("random_labels")
        else ""
    )
    return (
        f"# {escape(title)}\n\n"
        f"An image classifier, {escape(model.name)}, for {len(model.classes)} classes and images "
        f"of {height} × {width} pixels (height × width), trained{on}{how} with scaat.\n{shuffled}"
    )


def _load(model: SharedModel, repo_id: str | None) -> str:
    height, width = model.image_size
    names, source, here = "load_shared", '"."', "  # this folder"
    if repo_id:
        names, source, here = "load_shared, pull", f"pull({repo_id!r})", ""
    modules = sorted(
        {
            module
            for name in (model.name, model.complete_architecture["adapter"])
            if (module := own_module(name))
        }
    )
    own = (
        f"\nLoading imports {' and '.join(map(escape, modules))}, where the network comes from: it "
        "has to be installed.\n"
        if modules
        else ""
    )
    return f"""\
```python
import torch

from scaat.functional import saliency_map
from scaat.sharing import {names}

shared = load_shared({source}){here}
images = torch.rand(2, {model.channels}, {height}, {width})  # yours: floats in [0, 1]
predicted = shared.model(images).argmax(1)
print([shared.classes[number] for number in predicted])
maps = saliency_map(shared.model, images, predicted)  # (2, {height}, {width})
```

The normalisation is the model's first layer. Loading runs no code from the files.
{own}"""


def _results(model: SharedModel, comparison: Comparison | None) -> str:
    if comparison is None:
        return "Nothing was measured of this model.\n"
    method = str(model.method)
    others = [m for m in comparison.methods if m != method]
    beside = (
        f" This model is the row {escape(method_name(method))}; "
        f"{escape(', '.join(map(method_name, others)))}: trained beside it in the same run, and "
        "not in this folder."
        if others
        else ""
    )
    tables = [
        performance_table(comparison),
        comparison_table(comparison),
        *further_tables(comparison),
    ]
    text = (
        f"On test images of {escape(data_name(comparison.data))}: accuracy over "
        f"{comparison.images('accuracy'):,} images, saliency maps of "
        f"{comparison.images('entropy'):,}. In brackets 95 % intervals over images.{beside}\n"
    )
    for table in tables:
        text += f"\n#{markdown_section(table)}\n"  # one level lower
    environment = dict(comparison.model_row(method).source.environment)
    environment.pop("command", None)  # may name folders
    return f"{text}\n{_table(('Measured with', ''), list(environment.items()))}"


def _pictures(files: Mapping[str, str]) -> str:
    """Return the pictures by saliency method, each with what it shows."""
    parts = []
    for attribution, file in files.items():
        name = escape(attribution_name(attribution))
        parts.append(
            f"![{name} maps of test images, beside the images]({FIGURES}/{file})\n\n"
            f"{name} maps of test images, a column for each training method. {DISPLAY_RULE}\n"
        )
    return "\n".join(parts)


def _training(model: SharedModel, config: Mapping[str, Any]) -> str:
    settings = {
        "method": {"name": model.method, **model.options},
        **config,
        "came to": model.training,
    }
    return _table(
        ("Setting", "Value"),
        [(key, value) for key, value in flatten(settings).items() if value != "null"],
    )


def _limits(model: SharedModel, comparison: Comparison | None) -> str:
    kind = "grey" if model.channels == 1 else "colour"
    height, width = model.image_size
    measured = (
        "Nothing was measured of it."
        if comparison is None
        else "It was measured on test images of the same data; on other data, and after training "
        "with another seed, its numbers may be others."
    )
    return (
        f"For {kind} images of {height} × {width} pixels that are like its training images. It "
        f"answers with one of its {len(model.classes)} classes for every image, also for one that "
        f"shows none of them. {measured}\n\n"
        "A saliency map shows which pixels the prediction reacts to. It does not show that the "
        "prediction is right, nor that a person would accept the reason. No use in which a wrong "
        "answer does harm was tested.\n"
    )


def _table(heads: tuple[str, str], lines: Sequence[tuple[Any, Any]]) -> str:
    rows = [heads, ("---", "---"), *((escape(str(a)), escape(str(b))) for a, b in lines)]
    return "".join(f"| {a} | {b} |\n" for a, b in rows)


def _one_line(text: str) -> str:
    return " ".join(text.split())
