"""What a comparison shows, in words computed from its rows, whoever wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scaat.display.labels import (
    BOUNDS,
    COUNTED,
    FAITHFULNESS,
    METHODS,
    METRICS,
    MINUS,
    PERFORMANCE,
    SALIENCY,
    SPARSITY,
    Estimate,
    attribution_name,
    full_text,
    method_name,
    ratio_text,
    seconds_text,
    value_text,
)
from scaat.report.compare import VERDICTS, Verdict, difference, sign, verdict
from scaat.report.results import Comparison, reference_of

_OUTCOMES: Mapping[Verdict, str] = {
    "better": "significantly higher",
    "worse": "significantly lower",
    "not significant": "not significant",
}
"""What verdicts say of performance, which is better if it is higher."""


@dataclass(frozen=True)
class Pair:
    """The verdicts on one training method against another, by (metric, attribution)."""

    method: str
    other: str
    verdicts: Mapping[tuple[str, str], Verdict]

    def of(self, verdict: Verdict, metrics: Iterable[str] = COUNTED) -> list[tuple[str, str]]:
        """Return the (metric, attribution) pairs that have this verdict."""
        keys = set(metrics)
        return [pair for pair, v in self.verdicts.items() if v == verdict and pair[0] in keys]

    @property
    def total(self) -> int:
        """Return how many verdicts count."""
        return sum(metric in COUNTED for metric, _ in self.verdicts)


@dataclass(frozen=True)
class Findings:
    """A headline, the sentences under it, and the verdicts behind them."""

    headline: str
    points: tuple[str, ...]
    pairs: tuple[Pair, ...]


def findings(comparison: Comparison) -> Findings:
    """Return the headline, sentences and verdicts of a comparison.

    ``scaat``, or the last method, is held against ``standard``, or the first, and every other.
    """
    if len(comparison.methods) == 1:
        maps = f"{_possessive(comparison.methods[0])} saliency maps"
        headline = f"{_capital(maps)}, measured; no other training to compare with"
        return Findings(headline, (), ())
    held = held_against(comparison.methods)
    pairs = tuple(_pair(comparison, method, other) for method, other in held)
    main = pairs[0]
    points = [
        *_performance(comparison, main),
        *(_tally(pair) for pair in pairs[1:]),
        *_losses(main, COUNTED, "{method} is worse than {other} in"),
        *_losses(
            main,
            ("aopc_morf",),
            "Not counted, since it also marks a model that any change upsets: {method} is lower "
            "than {other} in",
        ),
        *_unbounded(comparison),
        *_cost(comparison, main),
    ]
    return Findings(_headline(comparison, pairs), tuple(points), pairs)


def held_against(methods: Sequence[str]) -> list[tuple[str, str]]:
    """Return which training method is held against which, the method in question first."""
    reference = reference_of(methods)
    baselines = [method for method in methods if method != reference]
    if not baselines:
        return []
    subject = "scaat" if "scaat" in baselines else baselines[-1]
    others = [method for method in baselines if method != subject]
    return [
        (subject, reference),
        *((subject, other) for other in others),
        *((other, reference) for other in others),
    ]


def _pair(comparison: Comparison, method: str, other: str) -> Pair:
    # The bounds' maps are not the models': no method wins or loses by them.
    attributions = [a for a in comparison.attributions if a not in BOUNDS]
    verdicts = {
        (metric, attribution): outcome
        for metric in SALIENCY
        for attribution in attributions or comparison.attributions
        if (outcome := verdict(comparison, metric, attribution, method, other))
    }
    return Pair(method, other, verdicts)


def _headline(comparison: Comparison, pairs: tuple[Pair, ...]) -> str:
    main = pairs[0]
    beaten = [
        f"; {_prose(pair.other)} beats {_prose(pair.method)} in {len(pair.of('worse'))} of "
        f"{pair.total}"
        for pair in pairs[1:]
        if pair.method == main.method and len(pair.of("worse")) > len(pair.of("better"))
    ]
    return _capital(_maps(main)) + _accuracy(comparison, main) + "".join(beaten)


def _accuracy(comparison: Comparison, pair: Pair) -> str:
    """Return what the maps' verdict goes with: maps may be bought with accuracy."""
    apart = _apart(comparison, "accuracy", pair)
    if apart is None:
        return ""
    outcome = verdict(comparison, "accuracy", None, pair.method, pair.other)
    change = f"{_points(apart[2])} points"
    if outcome is None or outcome == "not significant":
        return f"; accuracy {change}, not significant"
    return f"; its accuracy is {_OUTCOMES[outcome]} ({change})"


def _maps(pair: Pair) -> str:
    better, worse, similar = (len(pair.of(v)) for v in VERDICTS)
    total = pair.total
    maps, theirs = f"{_possessive(pair.method)} saliency maps", _possessive(pair.other)
    if not total:
        return f"{maps} and {theirs} cannot be compared image by image"
    everywhere = f"all {total} comparisons" if total > 1 else "the one comparison"
    anywhere = f"any of {total} comparisons" if total > 1 else everywhere
    if better == total:
        return f"{maps} are {_virtues(pair)} than {theirs} in {everywhere}"
    if worse == total:
        return f"{maps} are worse than {theirs} in {everywhere}"
    if similar == total:
        return f"{maps} do not differ significantly from {theirs} in {anywhere}"
    # What happens more often comes first.
    words = sorted([("better", better), ("worse", worse)], key=lambda item: -item[1])
    (first, count), (second, rest) = words
    text = f"{maps} are {first} than {theirs} in {count} of {total} comparisons"
    text += f" and {second} in {rest}" if rest else ""
    return text + (f", {similar} not significant" if similar else "")


def _virtues(pair: Pair) -> str:
    words = {"sparser": SPARSITY, "more faithful": FAITHFULNESS}
    measured = {metric for metric, _ in pair.verdicts}
    return " and ".join(word for word, metrics in words.items() if measured & set(metrics))


def _performance(comparison: Comparison, pair: Pair) -> list[str]:
    points = []
    for key in PERFORMANCE:
        if apart := _apart(comparison, key, pair):
            mine, theirs, change = apart
            metric = METRICS[key]
            points.append(
                f"{metric.name}: {full_text(metric, mine)} for {_prose(pair.method)}, "
                f"{full_text(metric, theirs)} for {_prose(pair.other)}; "
                f"{_points(change)} points{_decided(comparison, key, pair)}."
            )
    return points


def _apart(comparison: Comparison, key: str, pair: Pair) -> tuple[Estimate, Estimate, float] | None:
    """Return a measure of both models and the difference, or None where one has no value."""
    mine, theirs = (comparison.model_row(m).metrics[key] for m in (pair.method, pair.other))
    if mine is None or theirs is None or mine.value is None or theirs.value is None:
        return None
    return mine, theirs, mine.value - theirs.value


def _decided(comparison: Comparison, key: str, pair: Pair) -> str:
    """Return the interval of a difference of performance, if there is one, and what it decides."""
    paired = difference(comparison, key, None, pair.method, pair.other)
    if paired is None or paired.low is None or paired.high is None:
        return ", no interval was computed"
    interval = f"[{_points(paired.low)}, {_points(paired.high)}]"
    return f" {interval} image by image, {_OUTCOMES[sign(key, paired)]}"


def _tally(pair: Pair) -> str:
    counts = [(v, len(pair.of(v))) for v in VERDICTS if pair.of(v)]
    said = [f"{v} in {'all' if n == pair.total else n}" for v, n in counts]
    if len(said) > 1:
        said[-1] += " of"
    return (
        f"{_capital(_prose(pair.method))} against {_prose(pair.other)}: {', '.join(said)} "
        f"{pair.total} comparisons."
    )


def _losses(pair: Pair, metrics: Iterable[str], opening: str) -> list[str]:
    by_metric: dict[str, list[str]] = {}
    for metric, attribution in pair.of("worse", metrics):
        by_metric.setdefault(metric, []).append(attribution_name(attribution))
    if not by_metric:
        return []
    measured = len({attribution for _, attribution in pair.verdicts})
    listed = "; ".join(
        f"{METRICS[metric].name} ({', '.join(a) if len(a) < measured else 'every saliency method'})"
        for metric, a in by_metric.items()
    )
    opening = opening.format(method=_prose(pair.method), other=_prose(pair.other))
    return [f"{_capital(opening)}: {listed}."]


def _unbounded(comparison: Comparison) -> list[str]:
    listed = "; ".join(
        f"{method_name(row.method)} with {attribution_name(row.attribution)} "
        f"({value_text(METRICS['aopc_rel'], estimate)})"
        for row in comparison.rows
        if (estimate := row.metrics["aopc_rel"]) is not None and estimate.unbounded
    )
    said = "The interval of the AOPC ratio is unbounded, because LeRF may be zero, for"
    return [f"{said} {listed}."] if listed else []


def _cost(comparison: Comparison, pair: Pair) -> list[str]:
    mine, theirs = (comparison.model_row(m) for m in (pair.method, pair.other))
    if mine.cost_ratio is None:
        return []
    seconds = mine.train_seconds, theirs.train_seconds
    times = "" if None in seconds else f" ({' against '.join(map(seconds_text, seconds))})"
    return [
        f"Training with {_prose(pair.method)} took {ratio_text(mine.cost_ratio)} the time of "
        f"standard training in the same run{times}."
    ]


def _points(difference: float) -> str:
    return f"{round(100 * difference, 1) + 0.0:+.1f}".replace("-", MINUS)  # + 0.0: no "-0.0"


def _prose(method: str) -> str:
    name, bracket, settings = method.partition(" (")
    said = method_name(name)
    if name in METHODS and not said.isupper():  # SCAAT and TRADES are names of their own
        said = f"{said if said[1].isupper() else said[0].lower() + said[1:]} training"
    return said + bracket + settings


def _possessive(method: str) -> str:
    return f"{_prose(method)}’s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
