"""``scaat doctor``, also among packages that are missing, broken or too old."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from tests.cli.inside import scaat

from scaat import __version__
from scaat import doctor as module
from scaat.doctor import CORE, Package, check_torch, read_extras


def doctor(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it with modules in ``path`` before all others."""
    paths = [str(path), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "scaat", "doctor", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )


def distribution(folder: Path, name: str, version: str, *lines: str) -> None:
    path = folder / f"{name}-{version}.dist-info" / "METADATA"
    path.parent.mkdir(parents=True)
    path.write_text(
        "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
    )


def test_here() -> None:
    done = scaat("doctor", "--json")
    assert done.status == 0, done
    actual = done.document
    assert actual["version"] == __version__
    core = {package["name"]: package for package in actual["extras"]["core"]["packages"]}
    assert core["torch"]["installed"] == metadata.version("torch")
    assert actual["extras"]["run"]["install"] == "pip install 'scaat[run]'"
    assert actual["precision"].partition(":")[0] in ("bf16", "32")
    assert f"PyTorch version: {torch.__version__}" in actual["environment"]
    assert actual["broken"] == []


def test_every_extra_of_the_metadata_is_there() -> None:
    wanted = metadata.metadata("scaat").get_all("Provides-Extra")
    extras = read_extras()
    assert set(extras) == {CORE, *(wanted or ())}
    assert {package.name for package in extras["run"]} >= {"captum", "click", "lightning"}
    assert not {package.name for package in extras[CORE]} & {
        package.name for package in extras["run"]
    }


@pytest.mark.slow
def test_a_broken_and_an_old_package_are_told_and_end_with_1(tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    distribution(tmp_path, "captum", "0.5")
    done = doctor(tmp_path, "--json")
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    broken = json.loads(done.stdout)["broken"]
    assert any("torchvision::nms" in said and said.startswith("torchvision ") for said in broken)
    (wanted,) = (package.wanted for package in read_extras()["run"] if package.name == "captum")
    assert f"captum is 0.5, expected {wanted}: pip install 'captum{wanted}'" in broken


@pytest.mark.slow
def test_it_needs_click_and_nothing_else_of_the_extra_run(tmp_path: Path) -> None:
    run = {package.name: package for package in read_extras()["run"]}
    names = {"pyyaml": "yaml", "scikit-learn": "sklearn"}
    for name in run.keys() - {"click"}:
        module = names.get(name, name)
        (tmp_path / f"{module}.py").write_text(f"raise ImportError('none', name='{module}')")
    done = doctor(tmp_path)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert "rich" in done.stdout
    assert "precision" in done.stdout


def test_missing_packages_are_named_with_their_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(
        tmp_path, "sample", "1", "Requires-Dist: numpy>=1", "Provides-Extra: more",
        "Requires-Dist: absent-thing>=2; extra == 'more'",
    )  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path)
    extras = read_extras("sample")
    assert [package.name for package in extras[CORE]] == ["numpy"]
    assert extras["more"] == [Package("absent-thing", ">=2", None)]
    monkeypatch.setattr(module, "read_extras", lambda: {CORE: extras[CORE], "run": extras["more"]})
    done = scaat("doctor", "-q")
    assert done.status == 1
    assert "absent-thing: not installed" in done.err
    assert "pip install 'scaat[run]'" in done.err


def test_a_package_made_for_another_torch_clashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "sample", "1", "Requires-Dist: torch", "Requires-Dist: picky")
    distribution(tmp_path, "picky", "3", "Requires-Dist: torch==1.0")
    monkeypatch.syspath_prepend(tmp_path)
    whole, picky = read_extras("sample")[CORE]
    assert whole.faults == ()
    (fault,) = picky.faults
    assert fault.startswith(f"picky 3 requires torch==1.0, found {metadata.version('torch')}")


@pytest.mark.parametrize(
    ("threads", "quota", "limit", "said"),
    [
        (16, None, None, "16 threads on 4 cores"),
        (4, 2.0, None, "set OMP_NUM_THREADS=2"),
        (1, None, "1", "leaves 3 of 4 cores unused"),
        (4, None, None, None),
    ],
)
def test_threads_and_cores(
    threads: int,
    quota: float | None,
    limit: str | None,
    said: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 4)
    monkeypatch.setattr(module, "core_quota", lambda: quota)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if limit:
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
    problems = check_torch()
    assert [said in problem for problem in problems] == ([True] if said else [])


def test_a_driver_without_a_gpu_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _: "nvidia-smi")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "has no GPU" in check_torch()[0]
