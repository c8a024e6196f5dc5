from __future__ import annotations

import os
from pathlib import Path

import pytest

from scaat.hardware import core_quota, cpu_name, usable_cores


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000\n", None), ("150000 100000\n", 1.5), ("", None)]
)
def test_a_container_s_share(text: str, cores: float | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert core_quota(tmp_path / "cpu.max") == cores


def test_no_container() -> None:
    assert core_quota(Path("absent")) is None


def test_cores_are_some_of_the_machine_s() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert cpu_name()
