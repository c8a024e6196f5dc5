"""Many trainings under one question: sweeps of settings, and the paper's experiments."""

from scaat.studies.store import pack, unpack
from scaat.studies.sweeps import Setting, combinations, pareto_front, settings_of
from scaat.studies.trial import Part, Trial, run_trial, trial_config

__all__ = [
    "Part",
    "Setting",
    "Trial",
    "combinations",
    "pack",
    "pareto_front",
    "run_trial",
    "settings_of",
    "trial_config",
    "unpack",
]
