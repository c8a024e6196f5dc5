from __future__ import annotations

import pytest
import torch

from scaat.errors import InputError
from scaat.training.devices import check_accelerator


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_what_is_always_here(name: str) -> None:
    check_accelerator(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_one_that_is_not_here_is_refused() -> None:
    with pytest.raises(InputError, match="accelerator is 'cuda', but there is none here"):
        check_accelerator("cuda")
