"""The paper's experiments: what is trained for each, and its tables beside the published ones."""

from scaat.studies.paper.experiments import EXPERIMENTS, Experiment
from scaat.studies.paper.sources import SCALES, Scale, Source

__all__ = ["EXPERIMENTS", "SCALES", "Experiment", "Scale", "Source"]
