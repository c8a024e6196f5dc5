"""The model card: ``README.md`` of a shared folder, made of what the run recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from scaat.display.labels import METRICS, PERFORMANCE, attribution_name, method_name
from scaat.display.overlay import DISPLAY_RULE
from scaat.display.table import escape, markdown
from scaat.report.results import Comparison, flatten
from scaat.report.tables import comparison_table, further_tables, performance_table
from scaat.sharing.files import SharedModel, own_module
from scaat.sharing.run import data_name

CITATION = """\
@misc{scaat,
  title = {{SCAAT}: Improving Neural Network Interpretability via Saliency Constrained Adaptive
           Adversarial Training},
  author = {Xu, Rui and Qin, Wenkang and Huang, Peixiang and Wang, Hao and Luo, Lin},
}
"""

_HUB_METRICS = {"auc": "roc_auc"}  # where the hub's name is another one


@dataclass(frozen=True, eq=False)
class Card:
    """What a card is made of.

    Attributes:
        title: What the model is called.
        model: The model.
        config: What the run's configuration says of data, training and seed, fit to be public.
        comparison: What was measured of the model and of those trained beside it, or None.
        pictures: File of each saliency method's examples, relative to the card.
        repo_id: Where on a hub the folder goes, or None.
        licence: The hub's name of a licence, or None.
    """

    title: str
    model: SharedModel
    config: Mapping[str, Any]
    comparison: Comparison | None = None
    pictures: Mapping[str, str] | None = None
    repo_id: str | None = None
    licence: str | None = None


def model_card(card: Card) -> str:
    """Return the card as Markdown with YAML front matter; names in it cannot format anything."""
    sections = {
        "": _summary(card),
        "Load": _load(card),
        "Results": _results(card),
        "Saliency maps": _pictures(card),
        "Classes": _table(("Number", "Class"), list(enumerate(card.model.classes))),
        "Training": _training(card),
        "Intended use and limits": _limits(card),
        "Citation": f"```bibtex\n{CITATION}```\n",
    }
    text = "\n".join(
        f"## {heading}\n\n{body}" if heading else body for heading, body in sections.items() if body
    )
    return f"---\n{_front_matter(card)}---\n\n{text}"


def _front_matter(card: Card) -> str:
    tags = ["scaat", "image-classification", "interpretability", "saliency", card.model.method]
    matter: dict[str, Any] = {
        "library_name": "scaat",
        "pipeline_tag": "image-classification",
        "tags": list(dict.fromkeys(filter(None, tags))),
    }
    if card.licence:
        matter["license"] = card.licence
    if card.comparison is not None:
        measured = _metrics(card.comparison, str(card.model.method))
        matter["metrics"] = list(dict.fromkeys(m["type"] for m in measured if "args" not in m))
        data = _one_line(data_name(card.comparison.data))
        result = {
            "task": {"type": "image-classification", "name": "Image classification"},
            "dataset": {"type": data, "name": data},
            "metrics": measured,
        }
        matter["model-index"] = [{"name": _one_line(card.title), "results": [result]}]
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


def _summary(card: Card) -> str:
    model = card.model
    height, width = model.image_size
    how = f" by the method {escape(method_name(model.method))}" if model.method else ""
    data = card.config.get("data") or {}
    name = data.get("name") or data.get("data")
    on = f" on {escape(data_name(str(name)))}" if name else ""
    shuffled = (
        "\nThe labels of its training images were **shuffled**: it serves the sanity check of "
        "saliency maps alone.\n"
        if data.get("random_labels")
        else ""
    )
    return (
        f"# {escape(card.title)}\n\n"
        f"An image classifier, {escape(model.name)}, for {len(model.classes)} classes and images "
        f"of {height} × {width} pixels (height × width), trained{on}{how} with scaat.\n{shuffled}"
    )


def _load(card: Card) -> str:
    height, width = card.model.image_size
    if card.repo_id:
        names, source = "load_shared, pull", f"pull({card.repo_id!r})"
    else:
        names, source = "load_shared", '"."'
    here = "" if card.repo_id else "  # this folder"
    modules = sorted(
        {
            module
            for name in (card.model.name, card.model.complete_architecture["adapter"])
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
images = torch.rand(2, {card.model.channels}, {height}, {width})  # yours: floats in [0, 1]
predicted = shared.model(images).argmax(1)
print([shared.classes[number] for number in predicted])
maps = saliency_map(shared.model, images, predicted)  # (2, {height}, {width})
```

The normalisation is the model's first layer. Loading runs no code from the files.
{own}"""


def _results(card: Card) -> str:
    comparison = card.comparison
    if comparison is None:
        return "Nothing was measured of this model.\n"
    method = str(card.model.method)
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
        text += f"\n### {escape(table.caption)}\n\n{markdown(table)}\n{escape(table.note)}\n"
    environment = dict(comparison.model_row(method).source.environment)
    environment.pop("command", None)  # may name folders
    return f"{text}\n{_table(('Measured with', ''), list(environment.items()))}"


def _pictures(card: Card) -> str:
    parts = []
    for attribution, file in (card.pictures or {}).items():
        name = escape(attribution_name(attribution))
        parts.append(
            f"![{name} maps of test images, beside the images]({file})\n\n{name} maps of test "
            f"images, a column for each training method. {DISPLAY_RULE}\n"
        )
    return "\n".join(parts)


def _training(card: Card) -> str:
    settings = {
        "method": {"name": card.model.method, **card.model.options},
        **card.config,
        "came to": card.model.training,
    }
    return _table(
        ("Setting", "Value"),
        [(key, value) for key, value in flatten(settings).items() if value != "null"],
    )


def _limits(card: Card) -> str:
    model = card.model
    kind = "grey" if model.channels == 1 else "colour"
    height, width = model.image_size
    measured = (
        "Nothing was measured of it."
        if card.comparison is None
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
