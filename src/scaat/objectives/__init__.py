"""Training methods: one `torch.nn.Module` each, usable in any training loop."""

from scaat.objectives.base import Objective, ObjectiveOutput, objectives
from scaat.objectives.input_gradient import InputGradient
from scaat.objectives.norm_regularised import NormRegularised
from scaat.objectives.options import Option, build_objective, objective_options
from scaat.objectives.pgd_adversarial import PGDAdversarial
from scaat.objectives.proportions import Proportions
from scaat.objectives.saliency_guided import SaliencyGuided
from scaat.objectives.saliency_guided_adversarial import SaliencyGuidedAdversarial
from scaat.objectives.scaat import SCAAT
from scaat.objectives.search import Search
from scaat.objectives.standard import Standard
from scaat.objectives.trades import TRADES

__all__ = [
    "SCAAT",
    "TRADES",
    "InputGradient",
    "NormRegularised",
    "Objective",
    "ObjectiveOutput",
    "Option",
    "PGDAdversarial",
    "Proportions",
    "SaliencyGuided",
    "SaliencyGuidedAdversarial",
    "Search",
    "Standard",
    "build_objective",
    "objective_options",
    "objectives",
]
