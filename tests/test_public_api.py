"""Nothing public goes unnoticed: the package against the committed record of its names."""

from __future__ import annotations

import copy
import json

import pytest
from scripts.public_api import PAGE, RECORD, Api, broken, current_api, page_part, record_text

HINT = "python scripts/public_api.py records what is new"


@pytest.fixture(scope="module")
def now() -> Api:
    return current_api()


def test_recorded_names_and_parameters_are_all_there(now: Api) -> None:
    assert not broken(json.loads(RECORD.read_text()), now), f"deprecate first: see {PAGE.name}"


def test_record_and_page_hold_every_name(now: Api) -> None:
    assert RECORD.read_text() == record_text(now), HINT
    assert page_part(now) in PAGE.read_text(), HINT


def test_the_contract_of_the_readme_is_in_the_record(now: Api) -> None:
    start = ["num_samples", "epsilon=", "steps=", "step_size=", "weight="]
    assert (now["scaat"]["SCAAT"] or [])[:5] == start
    assert now["scaat.functional"]["gini"] == ["maps"]
    assert "SCAAT.proportion" in now["scaat"]
    assert "objectives[saliency-guided]" in now["scaat.objectives"]
    assert "--out" in (now["command line"]["scaat compare"] or [])


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (["maps"], None, "f is gone"),
        (["maps", "codec="], ["maps"], "no longer takes codec"),
        (["maps", "codec="], ["maps", "codec"], "needs codec"),
        (["maps"], ["maps", "codec"], "needs codec"),
        (["maps", "codec="], ["maps", "*", "codec="], "another order"),
        (["maps", "codec=", "quality="], ["maps", "quality=", "codec="], "another order"),
        (["maps", "**options"], ["maps"], "no longer takes **options"),
    ],
)
def test_what_breaks_a_caller_is_told(
    before: list[str], after: list[str] | None, fault: str
) -> None:
    now: Api = {"m": {} if after is None else {"f": after}}
    (found,) = broken({"m": {"f": before}}, now)
    assert fault in found


def test_what_breaks_nobody_passes(now: Api) -> None:
    more = copy.deepcopy(now)
    more["scaat.functional"]["gini"] = ["maps", "unbiased="]
    more["scaat.functional"]["new"] = ["maps"]
    more["new"] = {"f": ["x"]}
    assert not broken(now, more)
    assert not broken({"m": {"f": ["maps", "*", "codec="]}}, {"m": {"f": ["maps", "codec="]}})
