"""The figure of a sweep: what its axes say is what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from scaat.report import Estimate
from scaat.studies.sweeps import sweep_figure


@dataclass
class Measured:
    """Stands for a setting: an accuracy, a LeRF with its interval, and a Gini index."""

    accuracy: float
    lerf: tuple[float, float, float]

    def estimate(self, key: str, attribution: str) -> Estimate:
        near = self.accuracy, self.accuracy - 0.1, self.accuracy + 0.1
        value, low, high = self.lerf if key == "aopc_lerf" else near
        return Estimate(value, low, high, 100)


@pytest.mark.parametrize(
    ("lowest", "scale", "ends"), [(0.002, "log", (2, 6)), (-0.001, "symlog", (-1, 6))]
)
def test_lerf_is_in_the_thousandths_that_its_label_names(
    lowest: float, scale: str, ends: tuple[float, float]
) -> None:
    settings = [Measured(0.7, (0.004, lowest, 0.006)), Measured(0.8, (0.05, 0.04, 0.06))]
    figure = sweep_figure(cast(Any, settings), "gradient", ahead=[True, False])
    left, right = figure.axes
    assert "(10⁻³)" in left.get_ylabel()
    assert left.get_yscale() == scale
    points = [line.get_xydata().tolist() for line in left.lines if line.get_marker() == "o"]
    assert points == [[pytest.approx([0.7, 4])], [pytest.approx([0.8, 50])]]
    upright = [line for line in left.lines if line.get_xdata()[0] == line.get_xdata()[-1] == 0.7]
    assert list(upright[0].get_ydata()) == pytest.approx(ends)
    assert [line.get_ydata()[0] for line in right.lines if line.get_marker() == "o"] == [0.7, 0.8]
