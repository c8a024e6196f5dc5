"""From pixels to another library's network, which expects normalised images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from scaat.errors import InputError
from scaat.models import Normalize
from scaat.models.adapters import Logits
from scaat.objectives import Objective


class Pixels(nn.Module):
    """What stands around a network while it is trained: normalisation before it, logits after it.

    So the objective sees images in [0, 1], epsilon is in units of pixels, and the network, its
    checkpoints and its evaluation stay as its library has them.

    Args:
        mean: Of each channel, for images in [0, 1]; None for a network that takes pixels.
        std: Standard deviation of each channel; None where ``mean`` is.
        adapter: Turns what the network returns into logits; see `scaat.models.find_adapter`.

    Raises:
        InputError: One of ``mean`` and ``std`` is missing, or they differ in length.
    """

    def __init__(
        self, mean: Sequence[float] | None, std: Sequence[float] | None, adapter: str = "auto"
    ) -> None:
        super().__init__()
        if (mean is None) != (std is None) or (mean and std and len(mean) != len(std)):
            raise InputError(
                f"mean is {mean!r} and std is {std!r}; expected one number a channel in both, or "
                "None in both"
            )
        self.before = nn.Identity() if mean is None or std is None else Normalize(mean, std)
        self.after = Logits(adapter)

    def around(self, network: nn.Module) -> nn.Module:
        """Return the network as an objective takes it: from pixels to logits (N, classes).

        Args:
            network: Also inside ``DistributedDataParallel`` or ``torch.compile``.
        """
        layers = {"normalize": self.before, "network": network, "logits": self.after}
        return nn.Sequential(OrderedDict(layers))


def load_state(objective: Objective, state: Mapping[str, Any] | None, place: str) -> None:
    """Give an objective the state that a checkpoint holds, its proportions among it.

    Args:
        objective: Changed in place.
        state: Its ``state_dict``, or None where the checkpoint has none.
        place: How messages call the checkpoint.

    Raises:
        InputError: There is no state, or it is another objective's.
    """
    own = {name: tuple(value.shape) for name, value in objective.state_dict().items()}
    if state is None and not own:
        return
    found = {name: tuple(value.shape) for name, value in (state or {}).items()}
    if state is None or found != own:
        raise InputError(
            f"{place} holds {found or 'nothing'} of the objective, but {type(objective).__name__} "
            f"has {own or 'no state'}; expected a checkpoint of this objective on a training set "
            "of this size"
        )
    objective.load_state_dict(dict(state))
