"""Titles and file names from hostile input."""

from __future__ import annotations

import string
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from scaat.display.text import safe_names, titles


def test_titles_are_as_short_as_they_can_be() -> None:
    assert titles([Path("runs/a/scaat"), Path("runs/b/standard")]) == ["scaat", "standard"]
    assert titles([Path("runs/a/scaat"), Path("runs/b/scaat")]) == ["a/scaat", "b/scaat"]
    assert titles([Path("x/1.png"), Path("x/1.png")]) == ["1.png", "1.png"]
    assert titles([]) == []


def test_what_is_safe_stays_and_what_clashes_gets_a_number() -> None:
    assert safe_names(["cat", "Größe_2.b", "a b/c"]) == ["cat", "Größe_2.b", "a_b_c"]
    assert safe_names(["cat", "CAT", "cat-2", "cat"]) == ["cat", "CAT-2", "cat-2-2", "cat-3"]
    assert safe_names(["..", "", "\udcff", "a--b"]) == ["unnamed", "unnamed-2", "unnamed-3", "a-b"]


@given(st.lists(st.text(max_size=300), max_size=20))
def test_any_text_is_a_file_name(texts: list[str]) -> None:
    names = safe_names(texts)
    assert len({name.casefold() for name in names}) == len(texts)
    for name in names:
        assert 0 < len(name.encode()) <= 90
        assert "--" not in name
        assert not name.startswith((".", "-"))
        assert not set(name) & (set('/\\:*?"<>|\0\n') | set(string.whitespace))
