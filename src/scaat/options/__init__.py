"""What a user sets for data, training and evaluation; the command line makes its options from it.

Importing this package takes a tenth of a second: torch and the registries that the checks need
are imported when an instance is made, so that help does not wait for them.
"""

from scaat.options.data import DataOptions
from scaat.options.evaluation import EvaluationOptions
from scaat.options.training import TrainingOptions

__all__ = ["DataOptions", "EvaluationOptions", "TrainingOptions"]
