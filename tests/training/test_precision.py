from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from scaat.data import DataSplits
from scaat.errors import InputError
from scaat.training import TrainingOptions, fit
from scaat.training.devices import lightning_precision


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"precision": "16"}, "16-mixed"),
        ({"precision": "bf16"}, "bf16-mixed"),
        ({"precision": "32", "compile": "aot_eager"}, "32-true"),
        ({"precision": "16", "compile": "aot_eager"}, "16-mixed"),
    ],
)
def test_trains_in_every_precision_and_compiled(
    extra: dict[str, Any], expected: str, splits: DataSplits, tmp_path: Path
) -> None:
    options = TrainingOptions(
        model="nets:plain", epochs=6, batch_size=8, learning_rate=0.2, accelerator="cpu", **extra
    )
    dtypes = set()
    with pytest.MonkeyPatch.context() as patch:
        import scaat.training.module as module

        check = module.TrainingModule._check_finite

        def spy(self: Any, loss: torch.Tensor, logits: torch.Tensor, index: torch.Tensor) -> None:
            dtypes.add((loss.dtype, logits.dtype))
            check(self, loss, logits, index)

        patch.setattr(module.TrainingModule, "_check_finite", spy)
        trained = fit(
            splits,
            "scaat",
            {"weight": 5.0, "steps": 1, "search_interval": 1},
            options,
            seed=0,
            folder=tmp_path,
        )
    assert trained.summary["precision"] == expected
    computed = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16, "32-true": torch.float32}
    assert dtypes == {(torch.float32, computed[expected])}
    assert trained.summary["val_accuracy"] > 0.6  # a third is chance
    assert all(weight.dtype == torch.float32 for weight in trained.model.parameters())


def test_inductor_without_a_compiler_is_refused(
    splits: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    options = TrainingOptions(model="nets:plain", compile="inductor", accelerator="cpu")
    with pytest.raises(InputError, match="needs a C\\+\\+ compiler"):
        fit(splits, "standard", {}, options, seed=0, folder=tmp_path)
