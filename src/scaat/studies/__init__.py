"""Many trainings under one question: sweeps of settings, and the paper's experiments."""

from scaat.studies.estimates import Setting, settings_of
from scaat.studies.store import pack, unpack
from scaat.studies.sweeps import combinations, pareto_front
from scaat.studies.trial import Part, Trial, carry_out, trial_config

__all__ = [
    "Part",
    "Setting",
    "Trial",
    "carry_out",
    "combinations",
    "pack",
    "pareto_front",
    "settings_of",
    "trial_config",
    "unpack",
]
