"""What a plain install offers, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import scaat

HEAVY = [
    "lightning",
    "captum",
    "torchvision",
    "matplotlib",
    "sklearn",
    "click",
    "rich",
    "scipy",
    "pyarrow",
    "yaml",
    "jinja2",
]


CORE = [
    "scaat.functional",
    "scaat.objectives",
    "scaat.metrics",
    "scaat.cost",
    "scaat.integrations",
]


@pytest.mark.slow
def test_core_layers_import_none_of_the_extra() -> None:
    # torchmetrics imports some of these itself where they are installed: compare with it alone.
    # All in one process, since each takes seconds to import torch.
    program = f"""
import importlib, sys, torchmetrics
for module in {CORE}:
    before = set(sys.modules)
    importlib.import_module(module)
    print(module, *{{name.partition(".")[0] for name in set(sys.modules) - before}})
"""
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split() for line in printed.splitlines()]
    assert [line[0] for line in lines] == CORE
    for module, *loaded in lines:
        assert "scaat" in loaded, module
        assert not set(loaded) & set(HEAVY), module


def test_the_package_itself_does_not_import_torch() -> None:
    program = "import sys, scaat; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_the_objectives_import_quickly_beyond_torch() -> None:
    # Of the processor, which other work on the machine does not lengthen as it does the clock's.
    program = (
        "import time, torch\nstart = time.process_time()\n"
        "import scaat\nscaat.SCAAT\nprint(time.process_time() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 0 < float(done.stdout) < 1


def test_public_names() -> None:
    for name in scaat.__all__:
        assert getattr(scaat, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = scaat.missing
