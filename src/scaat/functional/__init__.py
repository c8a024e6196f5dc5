"""The mathematics of scaat as pure functions on tensors, a file for each idea."""

from scaat.functional.aopc import aopc, perturbation_curve
from scaat.functional.compressed_size import compressed_size
from scaat.functional.divergence import (
    jeffreys_divergence,
    jensen_shannon_divergence,
    kl_divergence,
)
from scaat.functional.entropy import entropy
from scaat.functional.gini import gini
from scaat.functional.perturbation import masked_pgd
from scaat.functional.proportion import update_proportion
from scaat.functional.regions import region_average
from scaat.functional.saliency import saliency_map
from scaat.functional.selection import lowest

__all__ = [
    "aopc",
    "compressed_size",
    "entropy",
    "gini",
    "jeffreys_divergence",
    "jensen_shannon_divergence",
    "kl_divergence",
    "lowest",
    "masked_pgd",
    "perturbation_curve",
    "region_average",
    "saliency_map",
    "update_proportion",
]
