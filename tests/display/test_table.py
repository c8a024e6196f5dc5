"""A study's table on terminals of several widths."""

from __future__ import annotations

import pytest

from scaat.cli.output import show_table
from scaat.display.table import Cell, Line, Table, latex, parts


@pytest.mark.parametrize(
    ("widths", "fixed", "available", "expected"),
    [
        ([5, 5, 5], 1, 100, [[0, 1, 2]]),
        ([5, 5, 5], 1, 22, [[0, 1, 2]]),
        ([5, 5, 5], 1, 21, [[0, 1], [0, 2]]),
        ([4, 6, 5, 5, 5], 2, 25, [[0, 1, 2], [0, 1, 3], [0, 1, 4]]),
        ([9, 90, 90, 1], 1, 20, [[0, 1], [0, 2], [0, 3]]),
        ([5], 1, 80, [[0]]),
    ],
)
def test_parts(widths: list[int], fixed: int, available: int, expected: list[list[int]]) -> None:
    assert parts(widths, fixed, available) == expected


@pytest.mark.parametrize(("width", "shown"), [(200, 1), (80, 2), (40, 4)])
def test_every_value_is_shown_whole(
    width: int, shown: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    columns = tuple(f"M{i}" for i in range(10))
    lines = tuple(
        Line("", f"training {n}", tuple(Cell(f"{n}.{i}0000") for i in range(10))) for n in range(3)
    )
    show_table(Table("name", "The caption", "", "Training", columns, lines))
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= width
    assert said.count("The caption") == 1
    assert said.count("training 1") == shown
    values = [text for text in said.split() if text.endswith("0000")]
    assert sorted(values) == sorted(cell.value for line in lines for cell in line.cells)
    lines_said = said.splitlines()
    for i in range(10):  # each below its head, to the right
        head = next(line for line in lines_said if f"M{i}" in line)
        row = next(line for line in lines_said if f"0.{i}0000" in line)
        assert head.index(f"M{i}") + len(f"M{i}") == row.index(f"0.{i}0000") + len("0.00000")


def test_a_star_after_a_line_break_is_text_in_latex() -> None:
    lines = tuple(Line("", name, (Cell("1"),)) for name in ("first", "*second"))
    assert "\\\\\n{*}second &" in latex(Table("name", "", "", "Training", ("M",), lines))
