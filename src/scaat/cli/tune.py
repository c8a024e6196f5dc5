"""``scaat tune``: search for the best maps that an accuracy budget buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scaat.cli import commands
from scaat.cli.options import gather
from scaat.cli.output import ExitWithResult, Result, complain, if_interrupted, say
from scaat.cli.runs import read_evaluation_options, read_training_options, resolved
from scaat.cli.studies import collect, open_study, run_all, write_study
from scaat.cli.sweep import Tried, make_trial, varied_values
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.files import read_yaml, write_yaml
from scaat.report import read_results
from scaat.studies import Setting, Trial, settings_of
from scaat.studies.engines import Engine
from scaat.studies.trial import plain
from scaat.studies.tuning import Gain, Search, Space, best, choices, gain_of, interval
from scaat.training.devices import plan_launch

ASKED, STORAGE, CHOSEN = "tune.yaml", "optuna.log", "chosen.yaml"
NOTE = "within the budget, and no other such setting is as good in accuracy, LeRF and Gini"
SEARCHED = {
    "scaat": (
        ("scaat.accuracy-budget", ("0.1:5",)),
        ("scaat.epsilon", ("16/255:1",)),
        ("scaat.initial-proportion", ("0.1:0.5",)),
    )
}
"""What is searched by default, by method."""


@if_interrupted("the same command with --resume keeps what is done and continues")
def tune(
    out: Path,
    resume: bool,
    search: tuple[tuple[str, tuple[str, ...]], ...],
    budget: float,
    trials: int,
    seeds: tuple[int, ...],
    engine: str,
    jobs: int | None,
    **parameters: Any,
) -> Result:
    """Search settings on the validation images."""
    if not budget >= 0:
        raise InputError(f"budget is {budget:g}, expected points of accuracy, at least 0")
    asked = gather(parameters)
    search = search or SEARCHED.get(asked["method"], ())
    if not search:
        raise InputError(f"method {asked['method']!r} has no default search; expected --search")
    space = _space(search)
    evaluation = read_evaluation_options(asked)
    evaluation = replace(
        evaluation,
        attributions=evaluation.attributions[:1],
        aopc_region_size=max(2, evaluation.aopc_region_size),
    )
    options = read_training_options(resolved("train", asked, [asked["method"]]))
    if plan_launch(options.devices, options.nodes, options.strategy).processes > 1:
        raise InputError("tune ends trainings early, in one process each; expected devices 1")
    texts = [f"{name}={','.join(values)}" for name, values in search]
    identity = plain({**asked, "search": texts, "seeds": seeds, "budget": budget})
    if resume and (out / ASKED).is_file():
        recorded = read_yaml(out / ASKED)
        for name in ("method", "search", "budget", "seeds"):
            if recorded.get(name) != identity[name]:
                raise InputError(
                    f"folder {str(out)!r} holds a search with {name} {recorded.get(name)}, "
                    f"expected the same, found {identity[name]}"
                )
    asked = {**identity, "trials": trials}
    with open_study(out / ASKED, asked, engine=engine, jobs=jobs, resume=resume) as workers:
        made = Search(out / STORAGE, space, parameters, budget=budget, seed=seeds[0])
        tuning = _Tuning(out, parameters, seeds, evaluation, made)
        tuning.run(trials, workers)
    return tuning.report()


@dataclass(frozen=True)
class _Tuning:
    """The trainings of a search."""

    out: Path
    parameters: Mapping[str, Any]  # of the command, where each trial starts
    seeds: Sequence[int]  # each setting is trained with each
    evaluation: EvaluationOptions
    search: Search  # what asks for settings

    @property
    def standard(self) -> list[Trial]:
        """Return the standard trainings that all others are compared with."""
        return [make_trial({**self.parameters, "method": "standard"}, {}, s) for s in self.seeds]

    def trials(self, params: Mapping[str, Any]) -> list[Trial]:
        """Return the trainings of one setting."""
        point = {}
        for key, value in params.items():
            text = f"{value:.3g}" if isinstance(value, float) else str(value)
            point[key] = Tried(text, float(text) if isinstance(value, float) else value)
        return [make_trial(self.parameters, point, seed) for seed in self.seeds]

    def run(self, count: int, engine: Engine) -> None:
        """Try settings until there are so many, as many at once as the engine has places."""
        self._run(self.standard, engine)
        while (missing := count - len(self.search.finished)) > 0:
            asked = self.search.ask(min(missing, engine.width))
            trials = [self.trials(one.params) for one in asked]
            listed = _each_once([self.standard, *trials])
            self._run(listed, engine)
            done, _ = collect(listed, self.out / "trials", self.evaluation, part="validation")
            settings = {setting.title: setting for setting in settings_of(read_results(*done))}
            for one, group in zip(asked, trials, strict=True):
                setting = settings.get(group[0].title)
                whole = setting is not None and len(setting.seeds) == len(self.seeds)
                self.search.tell(one, self._gain(setting, settings) if setting and whole else None)

    def report(self) -> Result:
        """Write what was tried and, if a setting keeps the budget, the best as a configuration."""
        finished = [self.trials(one.params) for one in self.search.finished]
        listed = _each_once([self.standard, *finished])
        done, failed = collect(listed, self.out / "trials", self.evaluation, part="validation")
        front = {self.trials(one.params)[0].title: one for one in self.search.front}
        said, chosen = self._choose(settings_of(read_results(*done)), front, len(failed))
        result = write_study(
            self.out,
            "tune",
            done,
            failed,
            self.evaluation,
            ahead=lambda setting: setting.title in front,
            note=NOTE,
            sections=[said],
        )
        result |= {"said": said, "chosen": chosen and str(self.out / CHOSEN)}
        if chosen is None:
            complain(said)
            raise ExitWithResult(result)
        write_yaml(self.out / CHOSEN, chosen)
        say(said, f"On the test images: scaat compare --config {self.out / CHOSEN} --out OUT")
        return result

    def _choose(
        self, settings: Sequence[Setting], front: Mapping[str, Any], failed: int
    ) -> tuple[str, dict[str, Any] | None]:
        """Say what the budget bought, and return the chosen configuration, if there is one."""
        by_title = {setting.title: setting for setting in settings}
        gains = {title: self._gain(one, by_title) for title, one in by_title.items()}
        standard = gains.pop("standard")
        tried = (
            f"{len(self.search.finished)} settings tried, {failed} of their trainings ended early"
        )
        budget = f"{self.search.budget:g} points of standard training's validation accuracy"
        if not front:
            nearest = min((gain.lost for gain in gains.values()), default=None)
            lost = "" if nearest is None else f"; the nearest lost {nearest:.1f}"
            return f"No setting is within {budget}{lost} ({tried}).", None
        trial = self.trials(best(list(front.values())).params)[0]
        gain, config = gains[trial.title], trial.config
        chosen = {
            "methods": list(dict.fromkeys(["standard", "saliency-guided", trial.method])),
            **{key: config[key] for key in ("seed", "data", "training", "objectives")},
            "evaluation": plain(gather(self.parameters)["evaluation"]),
        }
        side = self.evaluation.aopc_region_size
        return (
            f"Within {budget}, the setting {trial.title!r} has accuracy {gain.accuracy:.3f} "
            f"(standard {standard.accuracy:.3f}), LeRF in {side} x {side} blocks {gain.lerf:.2g} "
            f"({standard.lerf:.2g}) and Gini {gain.gini:.3f} ({standard.gini:.3f}); {tried}.",
            chosen,
        )

    def _gain(self, setting: Setting, settings: Mapping[str, Setting]) -> Gain:
        return gain_of(setting, settings["standard"], self.evaluation.attributions[0])

    def _run(self, trials: Sequence[Trial], engine: Engine) -> None:
        """Run trials; the standard trainings, done or not, are among them as their references."""
        work = [(trial, self.evaluation) for trial in trials]
        budget = self.search.budget
        run_all(work, self.out / "trials", part="validation", engine=engine, budget=budget)


def _each_once(groups: Sequence[Sequence[Trial]]) -> list[Trial]:
    """Return the trainings of all settings; settings that were asked for twice share theirs."""
    return list({trial.folder: trial for group in groups for trial in group}.values())


def _space(search: Sequence[tuple[str, tuple[str, ...]]]) -> Space:
    """Return what to search: ranges (``0.1:5``) and choices, by click's name of the option."""
    space = {}
    for name, texts in search:
        low, colon, high = texts[0].partition(":")
        ends = (low, high) if colon and len(texts) == 1 else texts
        ((key, values),) = varied_values(commands.sweep, [(name, ends)]).items()
        if key.startswith("evaluation."):
            raise InputError(f"{name!r} is an option of the evaluation, not of the training")
        made = [tried.value for tried in values]
        space[key] = interval(*made) if ends is not texts else choices(made)
    return space
