"""The search for harmful inputs, and the checks that searching objectives share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from scaat.errors import InputError, did_you_mean
from scaat.functional.checks import Bounds, check_positive
from scaat.functional.divergence import DIVERGENCES, Divergence, DivergenceName
from scaat.functional.perturbation import masked_pgd, masked_step
from scaat.functional.regions import check_region_size, region_average, suited_region_size
from scaat.functional.saliency import Predict, Score, sum_channels
from scaat.functional.selection import lowest
from scaat.passes import evaluation_mode, search_view

SearchMode = Literal["train", "eval"]

SPATIAL = (3, 4, 5)  # dimensions of inputs with regions: series, images and volumes


@dataclass(frozen=True)
class Search:
    """How SCAAT looks for the perturbation of each image (paper equations 5 to 7).

    Args:
        epsilon: Radius of the perturbation in the maximum norm, in units of the inputs (pixels
            in [0, 1]); 0 perturbs nothing. The default suits photographs, tissue and drawings
            (``results/accuracy-budget``): the 8/255 that is customary for adversarial robustness
            cleans the maps less.
        steps: k, steps of PGD; 1 is FGSM, 4 the paper's choice. 0 takes one step against the
            gradient of the saliency map, which is known already: it lowers the class's score
            instead of raising the divergence.
        step_size: Size of a step in units of the inputs; by default 1.25 epsilon for one step or
            none, so that the step crosses most of the ball, and 2.5 epsilon / k otherwise.
        region_size: Side in pixels of the square regions over which the map is averaged; 1 is no
            average. By default it suits the inputs: 4 for images (N, C, H, W) of 32 to 64
            pixels, an eighth of the shortest side below and a sixteenth above, and the same for
            series (N, C, L) and volumes (N, C, D, H, W). Inputs of any other shape have no
            regions.
        random_grid: Place the grid of regions at random in each batch, which gives cleaner maps
            (``results/accuracy-budget``). ``False`` begins it at the first pixel, our reading of
            the paper.
        divergence: ``"jeffreys"`` (equation 4), ``"jensen-shannon"`` or ``"kl"``, which is
            D(perturbed || clean).
        score: Differentiate the class's ``"logit"`` or its ``"probability"`` for the map.
        search_mode: ``"train"`` lets the map and the search see batch norm and dropout as the
            training pass does, without updating statistics; ``"eval"`` puts the model in
            evaluation mode for both.

    Raises:
        InputError: An option is out of range.
    """

    epsilon: float = 0.5
    steps: int = 1
    step_size: float | None = None
    region_size: int | None = None
    random_grid: bool = True
    divergence: DivergenceName = "jeffreys"
    score: Score = "logit"
    search_mode: SearchMode = "train"

    def __post_init__(self) -> None:
        check_search(self.epsilon, self.steps, self.step_size, self.search_mode, None, zero=True)
        if self.region_size is not None:
            check_positive(self.region_size, "region_size")
        check_choice(self.divergence, "divergence", tuple(DIVERGENCES))
        check_choice(self.score, "score", get_args(Score))

    @property
    def measure(self) -> Divergence:
        """The divergence as a function of two tensors of logits."""
        return DIVERGENCES[self.divergence]

    def check_regions(self, shape: Sequence[int]) -> None:
        """Raise `InputError` unless inputs of this shape, (N, ...), have regions of this size."""
        if self.region_size is None or self.region_size == 1:
            return
        if len(shape) not in SPATIAL:
            raise InputError(
                f"region_size is {self.region_size}, which needs images (N, C, H, W), series "
                f"(N, C, L) or volumes (N, C, D, H, W), but the inputs have shape "
                f"{tuple(shape)}: leave it out, or pass 1"
            )
        check_region_size(self.region_size, shape[2:])

    def irrelevant(self, gradient: Tensor, proportion: Tensor) -> Tensor:
        """Mark the features of lowest region-averaged saliency (equation 7).

        Args:
            gradient: Of the true class's score, of the shape of the inputs.
            proportion: q of each sample, shape (N,).

        Returns:
            Bool, without channels for images, series and volumes: (N, H, W) for (N, C, H, W).
        """
        maps = sum_channels(gradient)
        if gradient.dim() in SPATIAL:
            size = self.region_size or suited_region_size(*maps.shape[1:])
            offset = None
            if size > 1 and self.random_grid:
                # Drawn on the CPU: an offset on the GPU would have to be waited for.
                offset = torch.randint(size, (maps.dim() - 1,)).tolist()
            maps = region_average(maps, size, offset)
        return lowest(maps, proportion)

    def perturb(
        self,
        model: nn.Module,
        images: Tensor,
        gradient: Tensor,
        reference: Tensor,
        proportion: Tensor,
        bounds: Bounds | None,
        divergence: Divergence,
    ) -> Tensor:
        """Return the images, perturbed where they are irrelevant (equations 5 to 7).

        Args:
            model: Searched in the mode that it is in.
            images: Clean inputs, shape (N, ...).
            gradient: Of the true class's score at ``images``.
            reference: Clean logits, shape (N, classes).
            proportion: q of each sample, shape (N,).
            bounds: Range of valid inputs.
            divergence: Maximised: `measure`, for several labels its mean over them.
        """
        mask = self.irrelevant(gradient, proportion)
        step_size = self.step_size
        if step_size is None and self.steps < 2:
            step_size = 1.25 * self.epsilon
        if self.steps == 0:  # away from the class
            return masked_step(
                images, -gradient, mask, epsilon=self.epsilon, step_size=step_size, bounds=bounds
            )
        return masked_pgd(
            search_view(model),
            images,
            mask,
            epsilon=self.epsilon,
            steps=self.steps,
            step_size=step_size,
            divergence=divergence,
            reference=reference,
            bounds=bounds,
        )


def check_search(
    epsilon: float,
    steps: int,
    step_size: float | None,
    search_mode: str,
    bounds: Bounds | None,
    *,
    zero: bool = False,
) -> None:
    """Raise `InputError` unless these settings fit a search in a ball; ``zero`` allows no steps."""
    check_positive(epsilon, "epsilon", zero=True)
    check_radius(epsilon, bounds)
    check_positive(steps, "steps", zero=zero)
    if step_size is not None:
        check_positive(step_size, "step_size")
    check_choice(search_mode, "search_mode", get_args(SearchMode))


def check_radius(epsilon: float, bounds: Bounds | None) -> None:
    """Raise `InputError` where a ball is larger than the inputs' range."""
    if bounds is not None and epsilon > bounds[1] - bounds[0]:
        raise InputError(
            f"epsilon is {epsilon!r}, expected at most the inputs' range of "
            f"{bounds[1] - bounds[0]:g}"
        )


def check_choice(value: str, name: str, choices: tuple[str, ...]) -> None:
    """Raise `InputError` unless ``value`` is one of ``choices``; the nearest one is named."""
    if value not in choices:
        raise InputError(
            f"{name} is {value!r}{did_you_mean(value, choices)}, expected one of "
            f"{', '.join(choices)}"
        )


@contextmanager
def search_passes(model: nn.Module, mode: SearchMode) -> Iterator[Predict]:
    """Give a view for searching, and keep the model in that mode meanwhile."""
    with evaluation_mode(model) if mode == "eval" else nullcontext():
        yield search_view(model)
