"""Extra passes go around the wrappers for several devices, wherever they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from scaat.errors import InputError
from scaat.objectives import SCAAT
from scaat.passes import loss_view, search_view


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


def compiled(model: nn.Module) -> nn.Module:
    found = torch.compile(model, backend="eager")
    assert isinstance(found, nn.Module)
    return found


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    "wrap",
    [
        DistributedDataParallel,
        lambda net: nn.Sequential(nn.ReLU(), DistributedDataParallel(net)),
        lambda net: nn.Sequential(nn.ReLU(), compiled(DistributedDataParallel(net)), nn.ReLU()),
        lambda net: nn.Sequential(DistributedDataParallel(compiled(net))),
        lambda net: nn.Sequential(nn.ReLU(), nn.DataParallel(net)),
    ],
)
def test_views_go_around_wrappers(
    wrap: Callable[[nn.Module], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch._dynamo.reset()
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    model = wrap(net)
    inputs = torch.rand(5, 3)
    with torch.no_grad():
        expected = model(inputs)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def refuse(*arguments: object) -> None:
        raise AssertionError("a wrapper's forward was called")

    monkeypatch.setattr(DistributedDataParallel, "forward", refuse)
    monkeypatch.setattr(nn.DataParallel, "forward", refuse)
    assert not search_view(model)(inputs).requires_grad
    torch.testing.assert_close(search_view(model)(inputs), expected)
    loss = loss_view(model)(inputs)
    torch.testing.assert_close(loss, expected)
    loss.sum().backward()
    assert all(weight.grad is not None for weight in net.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_activation_checkpointing_is_refused_in_one_sentence() -> None:
    class Checkpointed(nn.Sequential):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found = checkpoint(super().forward, images, use_reentrant=False)
            assert isinstance(found, torch.Tensor)
            return found

    model = Checkpointed(nn.Linear(3, 3), nn.BatchNorm1d(3))
    with pytest.raises(InputError, match="the model runs with activation checkpointing"):
        SCAAT(4)(model, torch.rand(4, 3), torch.tensor([0, 1, 2, 0]), torch.arange(4))
