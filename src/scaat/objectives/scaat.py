"""Saliency Constrained Adaptive Adversarial Training (the paper's algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self, get_args

import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.checks import Bounds, check_index, check_positive, check_share
from scaat.functional.divergence import DIVERGENCES, DivergenceName
from scaat.functional.perturbation import masked_pgd
from scaat.functional.proportion import visited_proportion
from scaat.functional.regions import region_average
from scaat.functional.saliency import Score, saliency_of_logits, smoothgrad_map
from scaat.functional.selection import lowest
from scaat.objectives.base import Objective, objectives
from scaat.objectives.gather import VisitGatherer
from scaat.objectives.output import ObjectiveOutput
from scaat.objectives.search import SearchMode, check_choice, check_search
from scaat.passes import evaluation_mode, keep_graphs, loss_view, search_view

Saliency = Literal["gradient", "smoothgrad"]


@objectives.register("scaat")
class SCAAT(Objective):
    """Make the model deaf to perturbations of the features that its saliency map calls irrelevant.

    For each sample the lowest share q of the region-averaged saliency map may be perturbed
    inside an epsilon ball; masked PGD-k finds the perturbation that most changes the prediction,
    and the divergence it causes is added to the cross-entropy (paper equation 8). The share q
    adapts to each sample (algorithm 2).

    A step costs 7 + 2k passes (standard training: 3), since the clean training pass serves the
    loss and the saliency map; with ``search_mode="eval"`` the map needs a pass of its own, and
    it is 8 + 2k.

    The buffer ``proportion``, float32, shape (num_samples,), holds q; it follows each sample's
    index in the training set, is saved in the ``state_dict`` and, where
    ``torch.distributed`` is initialised, is the same on all processes after every step. It stays
    float32, with its values, when a module that holds the objective is cast (``.bfloat16()``).

    Args:
        num_samples: Size of the training set.
        epsilon: Radius of the perturbation in the maximum norm, in units of the inputs (pixels
            in [0, 1]); at 0 nothing is perturbed. 8/255 is the customary radius for images.
        steps: k, steps of the perturbation search; 4 is the paper's default, 1 is FGSM.
        step_size: Size of a search step in units of the inputs; by default 2.5 epsilon / k.
        weight: lambda, the weight of the divergence (in bits) beside the cross-entropy (nats).
        initial_proportion: q_0 in [0, 1], the share of features that is perturbed at first.
        proportion_step: gamma, how far one visit moves q. Small by default: a prototype lost
            the method's gain when q spread widely among samples.
        min_proportion: q_min, the least share that q may fall to.
        max_proportion: q_max, the greatest share that q may rise to.
        warmup_steps: Training steps before q adapts (N^warm-up).
        region_size: Side in pixels of the square regions over which the map is averaged; 1 asks
            for no regions and allows inputs of any shape (N, ...). A prototype measured 4 as
            better than 1 or 8 for images of 32 pixels.
        divergence: ``"jeffreys"`` (equation 4), ``"jensen-shannon"`` or ``"kl"``, which is
            D(perturbed || clean).
        adaptive: Adapt q (algorithm 2); False keeps it at ``initial_proportion``.
        search_mode: ``"train"`` lets the saliency map and the search see batch norm and dropout
            as the training pass does, without updating statistics; ``"eval"`` puts the model
            in evaluation mode for both. A prototype measured ``"train"`` as clearly better.
        score: Differentiate the class's ``"logit"`` or its ``"probability"``.
        saliency: ``"gradient"``, or ``"smoothgrad"`` for a smoother map at the price of
            2 ``smoothgrad_samples`` passes.
        smoothgrad_samples: Noisy copies for SmoothGrad.
        smoothgrad_noise: Standard deviation of their noise, in units of the inputs; 0.15 lies
            amid the 10 to 20 % of the range that its authors advise.
        label_smoothing: Share of each label spread over all classes, in [0, 1]; 0 by default,
            because smoothing changes the very confidence that perturbation curves measure.
        bounds: Range of valid inputs, ends included, kept by the search; None for inputs
            without bounds.

    Raises:
        InputError: An option is out of range.
    """

    proportion: Tensor
    step: Tensor

    def __init__(
        self,
        num_samples: int,
        epsilon: float = 8 / 255,
        steps: int = 4,
        step_size: float | None = None,
        weight: float = 1.0,
        initial_proportion: float = 0.5,
        proportion_step: float = 0.01,
        min_proportion: float = 0.1,
        max_proportion: float = 0.9,
        warmup_steps: int = 0,
        region_size: int = 4,
        divergence: DivergenceName = "jeffreys",
        adaptive: bool = True,
        search_mode: SearchMode = "train",
        score: Score = "logit",
        saliency: Saliency = "gradient",
        smoothgrad_samples: int = 8,
        smoothgrad_noise: float = 0.15,
        label_smoothing: float = 0.0,
        bounds: Bounds | None = (0.0, 1.0),
    ) -> None:
        super().__init__(label_smoothing, bounds)
        check_positive(num_samples, "num_samples")
        check_search(epsilon, steps, step_size, search_mode, bounds)
        check_positive(weight, "weight", zero=True)
        for name, value in (
            ("initial_proportion", initial_proportion),
            ("proportion_step", proportion_step),
            ("min_proportion", min_proportion),
            ("max_proportion", max_proportion),
        ):
            check_share(value, name)
        if adaptive and not min_proportion <= initial_proportion <= max_proportion:
            raise InputError(
                f"initial_proportion is {initial_proportion!r}, expected it between "
                f"min_proportion {min_proportion!r} and max_proportion {max_proportion!r}"
            )
        check_positive(warmup_steps, "warmup_steps", zero=True)
        check_positive(region_size, "region_size")
        check_positive(smoothgrad_samples, "smoothgrad_samples")
        check_positive(smoothgrad_noise, "smoothgrad_noise", zero=True)
        check_choice(divergence, "divergence", tuple(DIVERGENCES))
        check_choice(score, "score", get_args(Score))
        check_choice(saliency, "saliency", get_args(Saliency))
        self.epsilon = epsilon
        self.steps = steps
        self.step_size = step_size
        self.weight = weight
        self.proportion_step = proportion_step
        self.min_proportion = min_proportion
        self.max_proportion = max_proportion
        self.warmup_steps = warmup_steps
        self.region_size = region_size
        self.divergence = DIVERGENCES[divergence]
        self.adaptive = adaptive
        self.search_mode = search_mode
        self.score: Score = score
        self.saliency = saliency
        self.smoothgrad_samples = smoothgrad_samples
        self.smoothgrad_noise = smoothgrad_noise
        self._gather_visits = VisitGatherer()
        proportion = torch.full((num_samples,), float(initial_proportion), dtype=torch.float32)
        self.register_buffer("proportion", proportion)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move, but don't cast: near 1/2, bfloat16 numbers lie 0.004 apart, and gamma is 0.01."""
        exact = {"proportion": self.proportion, "step": self.step}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in exact.items():
            applied = self.get_buffer(name)
            if applied.dtype != value.dtype:
                setattr(self, name, value.to(applied.device))
        return self

    def forward(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        index: Tensor,
        counted: Tensor | None = None,
    ) -> ObjectiveOutput:
        """Compute the loss of one batch and, in training mode, adapt q.

        See `Objective.forward`. The terms are ``cross_entropy`` (nats), ``divergence`` (bits),
        ``proportion`` (mean q of the batch) and ``adversarial_accuracy``.
        """
        self.check_batch(images, labels, index, counted)
        if self._checking:
            check_index(index, len(self.proportion))
        if self.search_mode == "train":
            logits, maps = self._train_saliency(model, images, labels)
            adversarial = self._search(model, images, maps, logits, index)
        else:
            logits = self.clean_logits(model, images, labels)
            with evaluation_mode(model):
                reference, maps = self._eval_saliency(model, images, labels)
                adversarial = self._search(model, images, maps, reference, index)
        adversarial_logits = loss_view(model)(adversarial)
        cross_entropy = self.cross_entropy(logits, labels)
        divergence = self.divergence(adversarial_logits, logits).mean()
        correct = adversarial_logits.argmax(1) == labels
        terms = {
            "cross_entropy": cross_entropy.detach(),
            "divergence": divergence.detach(),
            "proportion": self.proportion[index].mean(),
            "adversarial_accuracy": correct.float().mean(),
        }
        if self.training:
            self._adapt(index, correct, counted)
        return ObjectiveOutput(cross_entropy + self.weight * divergence, logits, terms)

    def _train_saliency(
        self, model: nn.Module, images: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The training pass's logits, and a saliency map from that same pass."""
        if self.saliency == "smoothgrad":
            logits = self.clean_logits(model, images, labels)
            return logits, self._smoothgrad(model, images, labels)
        leaf = images.detach().requires_grad_()
        keep_graphs(model)
        logits = self.clean_logits(model, leaf, labels)
        maps = saliency_of_logits(logits, leaf, labels, score=self.score, retain_graph=True)
        return logits, maps

    def _eval_saliency(
        self, model: nn.Module, images: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits and saliency map of the model in evaluation mode, without a graph."""
        view = search_view(model)
        if self.saliency == "smoothgrad":
            with torch.no_grad():
                reference = view(images)
            return reference, self._smoothgrad(model, images, labels)
        leaf = images.detach().requires_grad_()
        reference = view(leaf)
        maps = saliency_of_logits(reference, leaf, labels, score=self.score)
        return reference.detach(), maps

    def _smoothgrad(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return smoothgrad_map(
            search_view(model),
            images,
            labels,
            samples=self.smoothgrad_samples,
            noise=self.smoothgrad_noise,
            score=self.score,
        )

    def _search(
        self, model: nn.Module, images: Tensor, maps: Tensor, reference: Tensor, index: Tensor
    ) -> Tensor:
        if self.region_size > 1:
            if images.dim() != 4:
                raise InputError(
                    f"region_size is {self.region_size}, which needs images of shape "
                    f"(N, C, H, W), but the inputs have shape {tuple(images.shape)}: "
                    "pass region_size=1"
                )
            maps = region_average(maps, self.region_size)
        return masked_pgd(
            search_view(model),
            images,
            lowest(maps, self.proportion[index]),
            epsilon=self.epsilon,
            steps=self.steps,
            step_size=self.step_size,
            divergence=self.divergence,
            reference=reference,
            bounds=self.bounds,
        )

    @torch.no_grad()
    def _adapt(self, index: Tensor, correct: Tensor, counted: Tensor | None) -> None:
        if not self.adaptive:
            return
        if counted is not None:
            index, correct = index[counted], correct[counted]
        index, correct = self._gather_visits(index, correct)
        self.step += 1
        adapted = visited_proportion(
            self.proportion,
            index,
            correct,
            step=self.proportion_step,
            minimum=self.min_proportion,
            maximum=self.max_proportion,
        )
        # A tensor's comparison, not Python's: reading the step would make the device wait.
        warm = self.step > self.warmup_steps
        self.proportion.scatter_(0, index, torch.where(warm, adapted, self.proportion[index]))
