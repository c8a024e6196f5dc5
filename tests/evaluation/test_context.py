from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from tests.evaluation.test_evaluate import image_set, net
from torch import Tensor, nn

from scaat.evaluation import EvaluationOptions, evaluate
from scaat.evaluation.context import exact_convolutions


def tf32() -> bool:
    """Whether convolutions may use it, by the setting's name in this version of torch."""
    cudnn: Any = torch.backends.cudnn
    return bool(cudnn.conv.fp32_precision == "tf32" if hasattr(cudnn, "conv") else cudnn.allow_tf32)


def test_it_is_off_inside_and_as_before_outside() -> None:
    assert tf32()
    with suppress(ZeroDivisionError), exact_convolutions():
        assert not tf32()
        _ = 1 / 0
    assert tf32()


def test_an_evaluation_is_made_without_it() -> None:
    class Asked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net()
            self.found: set[bool] = set()

        def forward(self, images: Tensor) -> Tensor:
            self.found.add(tf32())
            logits: Tensor = self.inner(images)
            return logits

    model = Asked().eval()
    evaluate(model, image_set(), EvaluationOptions(("gradient",), aopc_steps=2, aopc_repeats=1))
    assert model.found == {False}
