from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from scaat.cli.commands import cli, compare, evaluate, sweep, train
from scaat.cli.options import NOTE, gather, objective_options
from scaat.cli.types import NORMALISATION, NUMBER, Names
from scaat.data import DataOptions
from scaat.docstrings import argument_help
from scaat.errors import InputError
from scaat.evaluation import EvaluationOptions
from scaat.objectives import objectives
from scaat.options.evaluation import OPTIONAL_MEASURES
from scaat.training import TrainingOptions


def under_the_program(command: click.Command, *arguments: str) -> click.Context:
    parent = click.Context(cli)
    return command.make_context(command.name, ["--out", "x", *arguments], parent=parent)


def parse(command: click.Command, *arguments: str) -> dict[str, object]:
    context = under_the_program(command, *arguments)
    return gather({k: v for k, v in context.params.items() if k not in ("out", "resume")})


@pytest.mark.parametrize(("text", "value"), [("8/255", 8 / 255), ("0.1", 0.1), ("1e-3", 1e-3)])
def test_numbers(text: str, value: float) -> None:
    assert NUMBER.convert(text, None, None) == value


@pytest.mark.parametrize("text", ["8/0", "a", "1/2/3", ""])
def test_not_numbers(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a number"):
        NUMBER.convert(text, None, None)


def test_names() -> None:
    assert Names().convert("a, b", None, None) == ("a", "b")
    for text in ("", "a,", "a,a"):
        with pytest.raises(click.BadParameter, match="not a list of"):
            Names().convert(text, None, None)


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


@pytest.mark.parametrize("name", sorted(set(cli.commands) - {"data"}))
def test_every_option_of_a_command_has_its_documentation(name: str) -> None:
    for option in cli.commands[name].params:
        if isinstance(option, click.Option):
            assert option.help, option.name


def test_the_measures_are_named_in_their_help() -> None:
    texts = {field.name: field.metadata["help"] for field in dataclasses.fields(EvaluationOptions)}
    assert texts["also_measure"].endswith(": " + ", ".join(OPTIONAL_MEASURES))


def test_argument_help_ends_where_the_section_ends() -> None:
    actual = argument_help(SCAAT_LIKE)
    assert actual == {"one": "First line, second line.", "two": "Only one."}


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
        ("training: {epochs: 2}\ntraining: {batch_size: 8}", "gives 'training' twice"),
    ],
)
def test_bad_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        parse(compare, "--config", str(path))


def test_a_section_may_have_no_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("objectives:\n  scaat:\n    # steps: 2\nevaluation:\nseed: 5\n")
    for command in (compare, train):
        assert parse(command, "--config", str(path)) == {**parse(command), "seed": 5}


@pytest.mark.parametrize("command", [compare, train, sweep, evaluate])
def test_a_seed_that_no_generator_takes_is_refused(command: click.Command, tmp_path: Path) -> None:
    flag = "--seeds" if command is sweep else "--seed"
    extra = {sweep: ["--vary", "epochs=1"], evaluate: [str(tmp_path)]}.get(command, [])
    assert under_the_program(command, *extra, flag, str(2**32 - 1))
    with pytest.raises(click.BadParameter, match="4294967295"):
        under_the_program(command, *extra, flag, str(2**32))


def as_a_command_wrote(path: Path, command: str) -> None:
    """Write the configuration of a command with all its settings, as that command would."""
    arguments = {"sweep": ["--vary", "epochs=1,2"], "evaluate": [str(path.parent)]}.get(command, [])
    config = parse(cli.commands[command], *arguments)
    written = {key: value for key, value in config.items() if not isinstance(value, Path)}
    if command == "sweep":
        written["vary"] = ["epochs=1,2"]
    path.write_text(yaml.safe_dump({"command": command, **written, "seed": 3}))


@pytest.mark.parametrize("reader", ["compare", "train", "sweep", "evaluate", "cost"])
@pytest.mark.parametrize("writer", ["compare", "train", "sweep", "evaluate"])
def test_a_configuration_is_accepted_by_every_command(
    reader: str, writer: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    as_a_command_wrote(path, writer)
    arguments = {"sweep": ["--vary", "epochs=1,2"], "evaluate": [str(tmp_path)]}.get(reader, [])
    command = cli.commands[reader]
    context = under_the_program(command, *arguments, "--config", str(path))
    if reader == "sweep":
        assert context.params["seeds"] == ((0,) if writer == "sweep" else (3,))
    elif reader != "cost":
        assert context.params["seed"] == 3
    if reader == "train" and writer == "compare":
        assert context.meta[NOTE].endswith("it ignores settings of evaluation, methods")


def test_statistics_are_read_as_a_configuration_has_them() -> None:
    given = NORMALISATION.convert("0.1,0.2,0.3,1,2,3", None, None)
    assert NORMALISATION.convert([list(part or ()) for part in given], None, None) == given
    assert NORMALISATION.convert([None, None], None, None) == (None, None)


def test_a_misplaced_name_is_no_setting_of_another_command(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model: resnet18")  # evaluate has such an option, train has training.model
    with pytest.raises(InputError, match=r"did you mean 'training.model'"):
        parse(train, "--config", str(path))


def option_count(text: str) -> int:
    return sum(line.startswith("  -") for line in text.splitlines())


@pytest.mark.parametrize("name", cli.commands)
def test_short_help_has_at_most_25_options(name: str) -> None:
    text = CliRunner().invoke(cli, [name, "--help"]).output
    assert 1 <= option_count(text) <= 25


@pytest.mark.parametrize("command", [compare, train, evaluate, sweep])
def test_full_help_names_every_option_once(command: click.Command) -> None:
    arguments = ["--help-all"]
    result = CliRunner().invoke(command, arguments)
    options = [
        parameter
        for parameter in command.get_params(click.Context(command))
        if isinstance(parameter, click.Option)
    ]
    assert result.exit_code == 0
    assert option_count(result.output) == len(options)
    for option in options:
        assert f"{max(option.opts, key=len)} " in result.output + " "


HELP = """
import sys
from scaat.cli.commands import cli
for name in cli.commands:
    try:
        cli.main([name, "--help"], standalone_mode=False)
    except SystemExit:
        pass
heavy = ("torch", "lightning", "torchvision", "torchmetrics", "captum", "matplotlib", "numpy")
print([name for name in heavy if name in sys.modules])
"""


def test_help_of_every_command_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
