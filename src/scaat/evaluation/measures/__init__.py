"""Groups of metrics, each one entry of `measures`; the order here is that of the work."""

from scaat.evaluation.measures.base import Batch, Measure, measures
from scaat.evaluation.measures.faithfulness import Faithfulness
from scaat.evaluation.measures.lattice import Lattice
from scaat.evaluation.measures.localisation import Localisation
from scaat.evaluation.measures.removal import InsertionAndDeletion, RemoveAndImpute
from scaat.evaluation.measures.sanity import Randomisation, RandomLabels
from scaat.evaluation.measures.sparsity import Sparsity
from scaat.evaluation.measures.stability import Stability

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
