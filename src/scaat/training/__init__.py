"""Training on Lightning: options, the step, checkpoints, resume."""

from scaat.errors import NonFiniteLossError
from scaat.options.training import TrainingOptions
from scaat.training.fitting import TrainedModel, fit, is_finished, load_trained
from scaat.training.folder import open_folder, read_config
from scaat.training.logs import read_history
from scaat.training.module import TrainingModule

__all__ = [
    "NonFiniteLossError",
    "TrainedModel",
    "TrainingModule",
    "TrainingOptions",
    "fit",
    "is_finished",
    "load_trained",
    "open_folder",
    "read_config",
    "read_history",
]
