"""The mathematics of scaat as pure functions on tensors, one idea per file."""

from scaat.functional.aopc import aopc, perturbation_curve
from scaat.functional.divergence import (
    jeffreys_divergence,
    jensen_shannon_divergence,
    kl_divergence,
)
from scaat.functional.fine_tuned_fidelity import fine_tuned_fidelity
from scaat.functional.grid import cell_numbers, draw_grids, grid_pointing_game, tile
from scaat.functional.insertion_deletion import area_under_curve, insertion_deletion
from scaat.functional.lattice import lattice_fractions, lattice_variance
from scaat.functional.lattice_source import lattice_source
from scaat.functional.localisation import box_masks, energy_inside, iou_at_area, pointing_game
from scaat.functional.logits import class_logits
from scaat.functional.low_pass import low_pass
from scaat.functional.perturbation import masked_pgd, pgd
from scaat.functional.proportion import update_proportion
from scaat.functional.randomisation import randomised_models
from scaat.functional.regions import region_average
from scaat.functional.removal import replaced_images
from scaat.functional.road import road, road_curves
from scaat.functional.saliency import saliency_map
from scaat.functional.selection import lowest
from scaat.functional.sensitivity_n import sensitivity_n
from scaat.functional.single_deletion import delete_cells, single_deletion
from scaat.functional.sparsity import compressed_size, entropy, gini, hoyer
from scaat.functional.spearman import spearman
from scaat.functional.stability import max_sensitivity, relative_input_stability

__all__ = [
    "aopc",
    "area_under_curve",
    "box_masks",
    "cell_numbers",
    "class_logits",
    "compressed_size",
    "delete_cells",
    "draw_grids",
    "energy_inside",
    "entropy",
    "fine_tuned_fidelity",
    "gini",
    "grid_pointing_game",
    "hoyer",
    "insertion_deletion",
    "iou_at_area",
    "jeffreys_divergence",
    "jensen_shannon_divergence",
    "kl_divergence",
    "lattice_fractions",
    "lattice_source",
    "lattice_variance",
    "low_pass",
    "lowest",
    "masked_pgd",
    "max_sensitivity",
    "perturbation_curve",
    "pgd",
    "pointing_game",
    "randomised_models",
    "region_average",
    "relative_input_stability",
    "replaced_images",
    "road",
    "road_curves",
    "saliency_map",
    "sensitivity_n",
    "single_deletion",
    "spearman",
    "tile",
    "update_proportion",
]
