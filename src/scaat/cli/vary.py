"""``--vary``: options of a command tried with several values each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from scaat.cli.types import NAMES
from scaat.errors import did_you_mean

NOT_VARIED = ("out", "resume", "vary", "seeds", "seed", "one_at_a_time", "sample")


@dataclass(frozen=True)
class Tried:
    """One value of a varied option: as it was written, and as the option takes it."""

    text: str
    value: Any


class Vary(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """An option's name and its values: ``scaat.epsilon=8/255,16/255``."""

    name = "name=value,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[str, ...]]:
        """Return the name and the values' texts, or fail with one sentence."""
        name, equals, rest = str(value).partition("=")
        texts = tuple(part.strip() for part in rest.split(","))
        if not equals or not all(texts) or len(set(texts)) < len(texts):
            self.fail(
                f"{value!r} is no option with different values (write scaat.epsilon=8/255,16/255)."
            )
        # Settings files spell an option with underscores, flags with hyphens.
        return name.strip().lstrip("-").replace("_", "-"), texts


def vary_option() -> click.Option:
    """Return ``--vary``."""
    return click.Option(
        ["--vary"],
        type=Vary(),
        multiple=True,
        required=True,
        help="An option of this command and the values to try, such as "
        "scaat.epsilon=8/255,16/255; give it once for each option.",
    )


def varied_values(
    command: click.Command, vary: Sequence[tuple[str, tuple[str, ...]]]
) -> dict[str, list[Tried]]:
    """Return the values of each varied option by click's name of it.

    Raises:
        click.BadParameter: An option is unknown (the nearest is named), cannot be varied or is
            given twice, or a value is not one of its kind.
    """
    known = dict(_flags(command))
    values: dict[str, list[Tried]] = {}
    for name, texts in vary:
        if name not in known:
            raise _bad(f"there is no option {name!r} to vary{did_you_mean(name, known)}")
        option = known[name]
        assert option.name is not None
        if option.name in values:
            raise _bad(f"{name!r} is given twice; give all its values at once")
        values[option.name] = [Tried(text, _converted(name, option, text)) for text in texts]
    return values


def label(command: click.Command, point: Mapping[str, Tried], method: str) -> str:
    """Return what a setting is called: ``scaat, epsilon 8/255, weight 3``.

    Args:
        command: The command whose options are varied.
        point: What the setting has of each varied option, by click's name.
        method: Its training method; options of others don't change it and are not named.
    """
    names = {option.name: flag for flag, option in _flags(command)}
    parts = [method]
    for key, tried in point.items():
        flag = names[key]
        owner, dot, short = flag.rpartition(".")
        if flag == "method" or (dot and owner != method):
            continue
        parts.append(f"{short.replace('-', ' ')} {tried.text}")
    return ", ".join(parts)


def _flags(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    for parameter in command.params:
        if not isinstance(parameter, click.Option) or parameter.name in NOT_VARIED:
            continue
        if parameter.expose_value and parameter.type is not NAMES:
            yield parameter.opts[0].lstrip("-"), parameter


def _converted(name: str, option: click.Option, text: str) -> Any:
    try:
        return option.type.convert(text, None, None)
    except click.BadParameter as error:
        raise _bad(f"{name}: {error.message}") from error


def _bad(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--vary")
