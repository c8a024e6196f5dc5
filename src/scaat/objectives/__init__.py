"""Training methods: one `torch.nn.Module` each, usable in any training loop."""

from scaat.objectives.base import Objective, build_objective, objectives
from scaat.objectives.output import ObjectiveOutput
from scaat.objectives.saliency_guided import SaliencyGuided
from scaat.objectives.scaat import SCAAT
from scaat.objectives.standard import Standard

__all__ = [
    "SCAAT",
    "Objective",
    "ObjectiveOutput",
    "SaliencyGuided",
    "Standard",
    "build_objective",
    "objectives",
]
