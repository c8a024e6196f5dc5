"""Objectives from flat options, as the command line and configuration files name them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, NamedTuple

from scaat.docstrings import argument_help
from scaat.errors import InputError, did_you_mean
from scaat.objectives.base import Objective, objectives


class Option(NamedTuple):
    """One option of an objective."""

    annotation: Any
    default: Any
    """`inspect.Parameter.empty` where there is none."""
    help: str
    """Its description, from the docstring's ``Args``."""
    group: str | None
    """The constructor's argument that holds it, where that is a dataclass."""


def objective_options(objective: type[Objective]) -> dict[str, Option]:
    """Return the options of an objective by name.

    An argument of the constructor whose default is a dataclass stands for the dataclass's fields:
    ``SCAAT(n, search=Search(steps=4))`` has the option ``steps``.
    """
    return _options(objective, None)


def _options(made: Any, group: str | None) -> dict[str, Option]:
    hints = typing.get_type_hints(made.__init__)
    texts = argument_help(made.__doc__ or "")
    shared = argument_help(Objective.__doc__ or "")
    texts |= {name: shared[name] for name, text in texts.items() if text == "See `Objective`."}
    options: dict[str, Option] = {}
    for name, parameter in inspect.signature(made).parameters.items():
        if is_dataclass(parameter.default):
            options |= _options(type(parameter.default), name)
        else:
            options[name] = Option(hints[name], parameter.default, texts.get(name, ""), group)
    return options


def build_objective(
    name: str, num_samples: int, options: Mapping[str, Any], *, training_steps: int | None = None
) -> Objective:
    """Construct a registered objective.

    Args:
        name: Its registered name.
        num_samples: Size of the training set, where the objective takes it.
        options: By name, as `objective_options` lists them.
        training_steps: Batches of the whole training, where the objective takes it.

    Raises:
        InputError: The name or an option is unknown (the nearest one is named), or an option
            has a value out of range.
    """
    objective = objectives[name]
    known = objective_options(objective)
    for option in options:
        if option not in known:
            raise InputError(
                f"method {name!r} has no option {option!r}{did_you_mean(option, known)}"
            )
    given = {"num_samples": num_samples, "training_steps": training_steps}
    arguments: dict[str, Any] = {key: value for key, value in given.items() if key in known}
    grouped: dict[str, dict[str, Any]] = {}
    for option, value in options.items():
        group = known[option].group
        if group is None:
            arguments[option] = value
        else:
            grouped.setdefault(group, {})[option] = value
    parameters = inspect.signature(objective).parameters
    for group, values in grouped.items():
        arguments[group] = type(parameters[group].default)(**values)
    return objective(**arguments)
