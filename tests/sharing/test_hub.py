"""Sending and fetching with the hub's own library, to a hub on this machine and to none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scaat.errors import InputError
from scaat.sharing import load_shared, pull, push, share_run

from .hub_server import COMMIT

# The hub's library reads its address when it is imported, so a process of its own.
PROGRAM = """
import json, os, sys
from hub_server import hub
with hub() as (address, repositories):
    os.environ["HF_ENDPOINT"] = address
    from scaat.sharing import load_shared, pull, push
    address = push(sys.argv[1], "ann/moles")
    fetched = pull("ann/moles")
    assert load_shared(fetched).method == load_shared(pull("ann/moles", revision="main")).method
errors = []
for call in (lambda: push(sys.argv[1], "ann/moles"), lambda: pull("ann/other")):
    try:
        call()
    except (ValueError, RuntimeError) as error:
        errors.append(f"{type(error).__name__} {error}")
print(json.dumps([address, str(fetched), sorted(repositories["ann/moles"]), errors]))
"""


@pytest.fixture(scope="module")
def shared(compared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shared") / "moles"
    share_run(compared, out, method="scaat", repo_id="ann/moles")
    return out


@pytest.mark.slow
def test_there_and_back(shared: Path, tmp_path: Path) -> None:
    """Then nothing answers any more, as where there is no network."""
    (shared / "payload.py").write_text("raise SystemExit")
    tests = Path(__file__).parents[1]
    paths = [str(tests), str(tests / "sharing"), os.environ.get("PYTHONPATH", "")]
    settings = {"PYTHONPATH": os.pathsep.join(paths), "HF_TOKEN": "none", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(shared)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | settings,
    )
    assert done.returncode == 0, done.stderr
    address, fetched, sent, (first, second) = json.loads(done.stdout)
    (shared / "payload.py").unlink()
    names = sorted(str(p.relative_to(shared)) for p in shared.rglob("*") if p.is_file())
    assert sent == names
    assert len(names) == 6
    for name in names:
        assert (Path(fetched) / name).read_bytes() == (shared / name).read_bytes()
    assert address.endswith(f"/ann/moles/commit/{COMMIT}")
    assert first.startswith("WriteError 'ann/moles' cannot be sent (")
    assert second.startswith("InputError 'ann/other' is no folder, and cannot be fetched")


def test_a_local_folder_is_its_own(shared: Path) -> None:
    assert pull(shared) == shared
    assert len(load_shared(pull(str(shared))).classes) == 2


def test_wrong_arguments(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a folder nor user/name"):
        pull(tmp_path / "none")
    with pytest.raises(InputError, match="holds no shared model"):
        pull(tmp_path)
    with pytest.raises(InputError, match="goes with a hub's repository"):
        pull(shared, revision="main")
    with pytest.raises(InputError, match="expected user/name"):
        push(shared, "moles")
    with pytest.raises(InputError, match="expected the folder of a shared model"):
        push(tmp_path, "ann/moles")
