"""The paper's tables as it lays them out, each value with the published one in brackets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scaat.display.labels import (
    METRICS,
    MINUS,
    SALIENCY,
    attribution_name,
    method_name,
    ratio_text,
)
from scaat.display.table import Cell, Line, Table, best, cells_of, lines_of
from scaat.studies.paper.published import (
    ATTRIBUTIONS,
    DATA_NAMES,
    FGSM,
    FIXED,
    METHODS,
    TABLE_1,
    TABLE_2,
    TABLE_3,
)
from scaat.studies.paper.sources import Source
from scaat.studies.sweeps import Setting, head, sweep_table

_NOTE = (
    "Square brackets: 95 % interval over the test images, and over the seeds where there are "
    "several. Round brackets: the paper's value, for {paper}; it is of other images, another "
    "network and other settings unless these are the paper's. Bold: the best value of ours."
)


def table_1(source: Source, settings: Sequence[Setting]) -> Table:
    """Return sparsity and faithfulness by saliency method and training method (Table 1)."""
    by_title = {setting.title: setting for setting in settings}
    ours = [by_title.get(method) for method in METHODS]
    lines = []
    for key in (*SALIENCY, "blocks_rel", "lattice_fraction"):
        cells: list[Cell] = []
        for attribution in ATTRIBUTIONS:
            paper = [TABLE_1.get((source.letter, key, attribution, m)) for m in METHODS]
            cells += _cells(key, attribution, ours, paper)
        lines.append(Line("", METRICS[key].label, tuple(cells)))
    return Table(
        name=f"table1-{source.key}",
        caption=_caption("Table 1", source, settings),
        note=f"{_note(source, 'ResNet-18')} {_counts(ours)}",
        stub="Metric",
        columns=tuple(
            f"{attribution_name(a)}: {method_name(m)}" for a in ATTRIBUTIONS for m in METHODS
        ),
        lines=tuple(lines),
        groups=tuple((attribution_name(a), len(METHODS)) for a in ATTRIBUTIONS),
    )


def table_2(source: Source, settings: Sequence[Setting]) -> Table:
    """Return performance and AOPC ratio of two networks by training method (Table 2)."""
    titles = ("standard", "saliency-guided", FIXED, "scaat")
    known = {(setting.title, setting.model): setting for setting in settings}
    performance = "auc" if source.letter == "P" else "accuracy"
    columns = {}
    for place, model in enumerate(source.models):
        for key, published in ((performance, "performance"), ("aopc_rel", "aopc_rel")):
            paper = [TABLE_2.get((source.letter, t, place, published)) for t in titles]
            ours = [known.get((t, model)) for t in titles]
            columns[f"{model}: {METRICS[key].label}"] = _cells(key, "gradient", ours, paper)
    return Table(
        name=f"table2-{source.key}",
        caption=_caption("Table 2", source, settings, model=False),
        note=f"{_note(source, 'ResNet-18 and VGG-16')} Maps are vanilla gradients.",
        stub="Training",
        columns=tuple(columns),
        lines=lines_of(map(_training, titles), columns.values()),
        groups=tuple((model, 2) for model in source.models),
    )


def table_3(source: Source, settings: Sequence[Setting]) -> Table:
    """Return accuracy, Gini index and training time (Table 3, of ImageNet-1k alone)."""
    titles = ("standard", "scaat", FGSM)
    by_title = {setting.title: setting for setting in settings}
    ours = [by_title.get(title) for title in titles]
    columns = {}
    for key in ("accuracy", "gini"):
        paper = [TABLE_3[title, key] for title in titles]
        columns[METRICS[key].label] = _cells(key, "gradient", ours, paper)
    ratios = dict(zip(by_title, _time_ratios(settings), strict=True))
    columns["Time"] = [
        Cell(ratios.get(t, ratio_text(None)), note=f"{TABLE_3[t, 'time']:.1f}×") for t in titles
    ]
    return Table(
        name=f"table3-{source.key}",
        caption=_caption("Table 3", source, settings),
        note=_NOTE.format(paper="ImageNet-1k and ResNet-18")
        + " Time: of the whole training, beside whatever else the machine did.",
        stub="Training",
        columns=tuple(columns),
        lines=lines_of(map(_training, titles), columns.values()),
    )


_BASELINE_COLUMNS = (
    *("accuracy", "auc", "entropy", "gini", "aopc_lerf", "aopc_rel", "blocks_rel"),
    *("lattice_fraction", "pointing_game", "energy_inside"),
    *("robust_accuracy_2", "robust_accuracy_8", "calibration_error"),
)


def baselines_table(source: Source, settings: Sequence[Setting]) -> Table:
    """Return accuracy, sparsity, faithfulness, localisation, robustness and time by training."""
    columns = {}
    for key in _BASELINE_COLUMNS:
        estimates = [setting.estimate(key, "gradient") for setting in settings]
        if any(estimates):
            columns[head(key)] = cells_of(key, estimates)
    columns["Time"] = [Cell(text) for text in _time_ratios(settings)]
    return Table(
        name=f"baselines-{source.key}",
        caption=_caption("Baselines", source, settings),
        note="Maps are vanilla gradients. Square brackets: 95 % interval over the test images, "
        "and over the seeds where there are several. Bold: the best value. Time: of the whole "
        "training, beside whatever else the machine did. Every method but SCAAT has the "
        "defaults of its source, apart from the number of search steps.",
        stub="Training",
        columns=tuple(columns),
        lines=lines_of((_training(s.title) for s in settings), columns.values()),
    )


def ablation_table(source: Source, settings: Sequence[Setting]) -> Table:
    """Return the measures of every changed choice; the paper prints none of them."""
    table = sweep_table(settings, "gradient")
    return replace(
        table,
        name=f"ablations-{source.key}",
        caption=_caption("Ablations", source, settings),
        note="Each line changes one choice of the line 'scaat'; "
        f"'{FIXED}' keeps the one that it begins with, {source.scaat['initial_proportion']}. "
        + table.note,
    )


def _time_ratios(settings: Sequence[Setting]) -> list[str]:
    """Return each training's time in units of standard training's."""
    base = next((s.train_seconds for s in settings if s.title == "standard"), None)
    times = [s.train_seconds for s in settings]
    return [ratio_text(seconds / base if seconds and base else None) for seconds in times]


def _cells(
    key: str,
    attribution: str,
    settings: Sequence[Setting | None],
    paper: Sequence[float | None],
) -> list[Cell]:
    """Return the settings' cells, each with the paper's value as a note."""
    scale = METRICS[key].scale
    notes = ["" if v is None else f"{v * scale:.4g}".replace("-", MINUS) for v in paper]
    cells = cells_of(key, [None if s is None else s.estimate(key, attribution) for s in settings])
    return [replace(cell, note=note) for cell, note in zip(cells, notes, strict=True)]


def _counts(ours: Sequence[Setting | None]) -> str:
    """Say how often SCAAT has the best value: the paper's claim is always."""
    won = counted = undefined = 0
    for key in ("entropy", "size_kb", "aopc_lerf", "aopc_rel"):
        for attribution in ATTRIBUTIONS:
            estimates = [None if s is None else s.estimate(key, attribution) for s in ours]
            if any(e is None or e.value is None for e in estimates):
                undefined += None not in estimates
                continue
            counted += 1
            won += best(key, estimates) == {METHODS.index("scaat")}
    left_out = f" ({undefined} more are undefined: LeRF is not above zero)" if undefined else ""
    return (
        f"Of the paper's {counted} comparisons{left_out} SCAAT has the best value in {won}; there, "
        "in all."
    )


def _note(source: Source, models: str) -> str:
    return _NOTE.format(paper=f"{DATA_NAMES[source.letter]} and {models}")


def _training(title: str) -> str:
    head, comma, rest = title.partition(", ")
    return f"{method_name(head)}{comma}{rest}"


def _caption(name: str, source: Source, settings: Sequence[Setting], *, model: bool = True) -> str:
    data = settings[0].data if settings else source.key
    seeds = sorted({seed for setting in settings for seed in setting.seeds})
    told = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
    return ", ".join([f"{name}: {data}", *([source.models[0]] if model else []), told])
