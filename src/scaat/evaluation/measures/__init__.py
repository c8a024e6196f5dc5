"""Groups of metrics, each one entry of `measures`; the order here is that of the work."""

from scaat.evaluation.measures.base import Batch, Measure, measures
from scaat.evaluation.measures.maps import (
    Localisation,
    Randomisation,
    RandomLabels,
    Sparsity,
    Stability,
)
from scaat.evaluation.measures.removal import (
    Faithfulness,
    InsertionAndDeletion,
    Lattice,
    RemoveAndImpute,
)

__all__ = [
    "Batch",
    "Faithfulness",
    "InsertionAndDeletion",
    "Lattice",
    "Localisation",
    "Measure",
    "RandomLabels",
    "Randomisation",
    "RemoveAndImpute",
    "Sparsity",
    "Stability",
    "measures",
]
