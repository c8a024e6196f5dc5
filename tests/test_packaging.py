"""What pyproject.toml, the lowest versions, the workflow and the changelog say agrees."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import scaat

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_lowest_versions_are_those_that_pyproject_allows() -> None:
    lines = (ROOT / "constraints" / "lowest.txt").read_text().split()
    lowest = {name: Version(version) for name, version in (line.split("==") for line in lines)}
    bounds = {}
    extras = PROJECT["optional-dependencies"]
    for text in PROJECT["dependencies"] + extras["run"] + extras["hub"]:
        requirement = Requirement(text)
        (bound,) = (one for one in requirement.specifier if one.operator == ">=")
        bounds[requirement.name] = Version(bound.version)
    assert lowest == bounds


def test_the_workflow_tries_every_python_of_the_classifiers() -> None:
    prefix = "Programming Language :: Python :: 3."
    pythons = [
        name.rpartition(" ")[2] for name in PROJECT["classifiers"] if name.startswith(prefix)
    ]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    for job in ("checks", "distribution"):
        assert workflow["jobs"][job]["strategy"]["matrix"]["python"] == pythons
    assert PROJECT["requires-python"] == f">={pythons[0]}"
    assert workflow["jobs"]["lowest"]["steps"][1]["with"]["python-version"] == pythons[0]


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CITATION.cff"])
def test_the_version_is_the_same_everywhere(name: str) -> None:
    text = (ROOT / name).read_text()
    found = re.search(r"^(?:## \[|version: )\"?(\d+\.\d+\.\d+)", text, re.MULTILINE)
    assert found, name
    assert found[1] == scaat.__version__
