from __future__ import annotations

import pytest
import torch

from scaat.training.precision import lightning_precision


@pytest.mark.parametrize(
    ("precision", "expected"), [("32", "32-true"), ("bf16", "bf16-mixed"), ("16", "16-mixed")]
)
def test_named_precisions(precision: str, expected: str) -> None:
    assert lightning_precision(precision) == expected


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_follows_the_processor(
    native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for check in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, check, lambda: native, raising=False)
    assert lightning_precision("auto", "cpu") == expected


def test_auto_without_torchs_knowledge_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for check in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, check, raising=False)
    assert lightning_precision("auto", "cpu") == "32-true"
