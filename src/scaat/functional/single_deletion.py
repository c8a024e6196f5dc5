"""Single deletion: does the map rank an image's patches as the prediction does?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from scaat.errors import InputError
from scaat.functional.baselines import fixed_baseline
from scaat.functional.checks import check_at_least, check_images
from scaat.functional.grid import cell_numbers
from scaat.functional.precision import widened
from scaat.functional.removal import check_removable
from scaat.functional.saliency import Predict, class_scores
from scaat.functional.spearman import spearman


@torch.no_grad()
def single_deletion(
    predict: Predict,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    grid: int = 4,
    baseline: str = "mean",
    batch_size: int = 64,
) -> Tensor:
    """Return the rank correlation of patches' saliency with the logit's fall without each.

    This is the single deletion score of Hesse, Schaub-Meyer and Roth 2024 (arXiv 2407.11910):
    Spearman's correlation, over the patches of an image, of a patch's sum of saliency with the
    fall of the target's logit as that patch alone is deleted. It is their in-domain score, IDSDS,
    if the model has been fine-tuned on images with and without a deleted patch
    (`scaat.functional.delete_cells`); deleted patches are unlike a model's training images
    otherwise.

    The source deletes by the data's mean colour (zeros after normalisation), here by the image's
    own. Its attributions keep their sign; saliency maps here are absolute values.

    Args:
        predict: See `sensitivity_n`.
        images: See `sensitivity_n`.
        maps: See `sensitivity_n`.
        targets: See `sensitivity_n`.
        grid: Patches along each side; 4 as in the source.
        baseline: What replaces a patch: ``"mean"``, ``"blur"`` or ``"zero"``.
        batch_size: Images in a forward pass; affects memory, not the result.

    Returns:
        float32 (N,), from -1 to 1, higher is better; NaN where all patches have equal saliency or
        no deletion changes the logit.

    Raises:
        InputError: An argument has an invalid value or shape.
    """
    check_removable(images, maps, grid)
    if images.dim() != 4:
        raise InputError(
            f"patches are deleted from images (N, C, H, W), found shape {tuple(images.shape)}"
        )
    check_at_least(1, batch_size=batch_size)
    chosen = fixed_baseline(baseline)
    height, width = maps.shape[1:]
    numbers = cell_numbers(height, width, grid).to(images.device)
    patches = grid * grid
    parts = []
    for part, target in zip(images.split(batch_size), targets.split(batch_size), strict=True):
        background = chosen.paint(part)
        logits = []
        for cell in range(patches):
            removed = (numbers == cell).expand(len(part), height, width)
            deleted = chosen.put(part, removed, background)
            logits.append(class_scores(predict(deleted), target))
        parts.append(torch.stack(logits, dim=1))
    left = widened(torch.cat(parts))
    sums = widened(maps.flatten(1)) @ widened(one_hot(numbers.flatten(), patches))
    # Ranks alone matter: the fall from the highest logit left ranks as that from the clean one,
    # and is non-negative, as `spearman` expects of maps.
    fall = left.amax(1, keepdim=True) - left
    return spearman(sums.view(-1, grid, grid), fall.view(-1, grid, grid))


def delete_cells(images: Tensor, cells: Tensor, *, grid: int = 4, baseline: str = "mean") -> Tensor:
    """Return images without one of their ``grid`` x ``grid`` patches.

    Args:
        images: (N, C, H, W), floating point in [0, 1].
        cells: int64 (N,), the patch to delete, from 0, row by row; -1 deletes none.
        grid: Patches along each side.
        baseline: What replaces the patch: ``"mean"``, ``"blur"`` or ``"zero"``.

    Returns:
        Shape, dtype and device of ``images``.

    Raises:
        InputError: The baseline is another one, or images are below the grid or not in [0, 1].
    """
    check_images(images)
    chosen = fixed_baseline(baseline)
    height, width = images.shape[2:]
    numbers = cell_numbers(height, width, grid).to(images.device)
    removed = numbers == cells.to(images.device).view(-1, 1, 1)
    return chosen.put(images, removed, chosen.paint(images))
