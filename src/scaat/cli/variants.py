"""Training methods with settings of their own, in one word: ``scaat:steps=1,epsilon=8/255``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from scaat.cli.names import complete_variant
from scaat.cli.options import objective_options
from scaat.errors import did_you_mean, unknown
from scaat.objectives import objectives


@dataclass(frozen=True)
class Changed:
    """A method and what differs from its other settings.

    Attributes:
        text: As it was written.
        method: A registered name.
        changes: Values by the name of the objective's argument.
    """

    text: str
    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)


class VariantType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """``METHOD`` or ``METHOD:NAME=VALUE,...``, values as the method's own options take them."""

    name = "method:name=value,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Changed:
        """Return method and changes, or fail with one sentence and the nearest name."""
        text = str(value).strip()
        method, colon, rest = text.partition(":")
        if method not in objectives:
            self.fail(f"{unknown('method', method, objectives)}.", param, ctx)
        options = {_argument(option): option for option in objective_options(method)}
        changes: dict[str, Any] = {}
        for part in rest.split(",") if colon else ():
            name, equals, content = (piece.strip() for piece in part.partition("="))
            name = name.replace("-", "_")
            if not equals or not name or not content:
                self.fail(f"{text!r} has {part!r}, expected NAME=VALUE.", param, ctx)
            if name not in options:
                nearest = did_you_mean(name, options)
                self.fail(f"method {method!r} has no option {name!r}{nearest}.", param, ctx)
            if name in changes:
                self.fail(f"{text!r} gives {name!r} twice.", param, ctx)
            try:
                changes[name] = options[name].type.convert(content, param, ctx)
            except click.BadParameter as error:
                self.fail(f"{text!r} has a wrong {name}: {error.message}", param, ctx)
        return Changed(text, method, changes)


def variant_option() -> click.Option:
    """Return ``--variant``, which may be given several times."""
    return click.Option(
        ["--variant", "variants"],
        type=VariantType(),
        multiple=True,
        shell_complete=complete_variant,
        help="A method with settings of its own, such as scaat:steps=1,epsilon=8/255; give it "
        "several times to compare settings. What it does not name is as the method's options "
        "below.",
    )


def _argument(option: click.Option) -> str:
    """Return the objective's argument that an option of `objective_options` sets."""
    assert option.name is not None
    return option.name.rpartition("__")[2]
