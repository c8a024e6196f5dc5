from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

import pytest
import torch

CONTEXTS = multiprocessing.context._concrete_contexts  # type: ignore[attr-defined]
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="session", autouse=True)
def spawned_as_copies() -> Iterator[None]:
    """Begin what tests spawn as a copy of a process that has imported Lightning, which takes 8 s.

    That process does nothing else, so a copy of it is as fresh as one that imports anew. Tests that
    run a program, as of the command, spawn from there as users do.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "forkserver" in multiprocessing.get_all_start_methods():
            multiprocessing.set_forkserver_preload(["scaat.training"])
            patch.setitem(CONTEXTS, "spawn", multiprocessing.get_context("forkserver"))
        yield


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draw the same numbers in each run, whichever tests run."""
    torch.manual_seed(0)


@pytest.fixture
def spawned_anew(spawned_as_copies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spawn as users do, for tests of what a process prints: a copy prints where its model did."""
    monkeypatch.setitem(CONTEXTS, "spawn", SPAWN)
