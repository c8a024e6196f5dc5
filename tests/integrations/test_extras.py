"""Without an adapter's library, one sentence names the extra that brings it."""

from __future__ import annotations

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("adapter", "library", "extra"),
    [
        ("timm", "timm.task", "timm"),
        ("hugging_face", "transformers", "hugging-face"),
        ("lightning", "lightning", "run"),
    ],
)
def test_a_missing_library_is_named(
    adapter: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"scaat.integrations.{adapter}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        ImportError, match=rf"needs the extra '{extra}' \(pip install 'scaat\[{extra}\]'\)"
    ):
        importlib.import_module(f"scaat.integrations.{adapter}")
