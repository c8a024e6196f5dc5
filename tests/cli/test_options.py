from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from scaat.cli.compare import command as compare
from scaat.cli.evaluate import command as evaluate
from scaat.cli.options import gather, objective_options
from scaat.cli.train import command as train
from scaat.cli.types import NAMES, NUMBER
from scaat.data import DataOptions
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.objectives import objectives
from scaat.objectives.options import argument_help
from scaat.training import TrainingOptions


def parse(command: click.Command, *arguments: str) -> dict[str, object]:
    context = command.make_context("scaat", ["--out", "x", *arguments])
    return gather({k: v for k, v in context.params.items() if k not in ("out", "resume")})


@pytest.mark.parametrize(("text", "value"), [("8/255", 8 / 255), ("0.1", 0.1), ("1e-3", 1e-3)])
def test_numbers(text: str, value: float) -> None:
    assert NUMBER.convert(text, None, None) == value


@pytest.mark.parametrize("text", ["8/0", "a", "1/2/3", ""])
def test_not_numbers(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a number"):
        NUMBER.convert(text, None, None)


def test_names() -> None:
    assert NAMES.convert("a, b", None, None) == ("a", "b")
    for text in ("", "a,", "a,a"):
        with pytest.raises(click.BadParameter, match="not a list of"):
            NAMES.convert(text, None, None)


def test_defaults_are_those_of_the_layers() -> None:
    config = parse(compare)
    for section, options in (
        ("data", DataOptions),
        ("training", TrainingOptions),
        ("evaluation", EvaluationOptions),
    ):
        values = {
            k: list(v) if isinstance(v, tuple) else v
            for k, v in dataclasses.asdict(options()).items()
        }
        assert config[section] == values
    assert config["methods"] == ["standard", "saliency-guided", "scaat"]


@pytest.mark.parametrize("name", objectives)
def test_every_option_of_an_objective_has_its_documentation(name: str) -> None:
    options = objective_options(name)
    assert options
    for option in options:
        assert option.help
        assert len(option.help) > 20, option.name


def test_argument_help_ends_where_the_section_ends() -> None:
    found = argument_help(SCAAT_LIKE)
    assert found == {"one": "First line, second line.", "two": "Only one."}


SCAAT_LIKE = """Do a thing.

    Args:
        one: First line,
            second line.
        two: ``Only`` one.

    Raises:
        InputError: never: mind this.
    """


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "seed": 5,
                "training": {"epochs": 7, "learning_rate": 0.5},
                "objectives": {"scaat": {"epsilon": "32/255", "adaptive": False}},
                "methods": ["standard", "scaat"],
                "evaluation": {"attributions": ["gradient"]},
            }
        )
    )
    config = parse(compare, "--config", str(path), "--epochs", "3", "--scaat.steps", "2")
    assert config["seed"] == 5
    assert config["training"]["epochs"] == 3
    assert config["training"]["learning_rate"] == 0.5
    assert config["objectives"]["scaat"]["epsilon"] == 32 / 255
    assert config["objectives"]["scaat"]["adaptive"] is False
    assert config["objectives"]["scaat"]["steps"] == 2
    assert config["methods"] == ["standard", "scaat"]
    assert config["evaluation"]["attributions"] == ["gradient"]
    # What a run writes can be read back as it is.
    path.write_text(yaml.safe_dump({"command": "compare", **config}))
    assert parse(compare, "--config", str(path)) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "training: {epocs: 3}",
            r"unknown option 'training.epocs' \(did you mean 'training.epochs'",
        ),
        ("a: [", "is not valid YAML"),
        ("- 1", "holds no mapping"),
    ],
)
def test_bad_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        parse(compare, "--config", str(path))


@pytest.mark.parametrize("command", [compare, train, evaluate])
def test_help_names_every_option_once(command: click.Command) -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert f"{parameter.opts[0]} " in text + " "
