"""Saliency Constrained Adaptive Adversarial Training (the paper's algorithm 1)."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.checks import Bounds, check_index, check_positive
from scaat.functional.divergence import DIVERGENCES, DivergenceName
from scaat.functional.perturbation import masked_pgd, masked_step
from scaat.functional.regions import region_average, suited_region_size
from scaat.functional.saliency import Score, score_gradient, smoothgrad, sum_channels
from scaat.functional.selection import lowest
from scaat.objectives.amortised import (
    check_amortised,
    choose_samples,
    is_search_step,
    ramp,
    ramp_length,
    searched_count,
    take,
)
from scaat.objectives.base import objectives
from scaat.objectives.output import ObjectiveOutput
from scaat.objectives.proportions import AdaptiveProportions
from scaat.objectives.search import SearchMode, check_choice, check_search
from scaat.passes import evaluation_mode, keep_graphs, loss_view, search_view

Saliency = Literal["gradient", "smoothgrad"]


@objectives.register("scaat")
class SCAAT(AdaptiveProportions):
    """Make the model deaf to perturbations of the features that its saliency map calls irrelevant.

    For each sample the lowest share q of the region-averaged saliency map may be perturbed
    inside an epsilon ball; masked PGD-k finds the perturbation that most changes the prediction,
    and the divergence it causes is added to the cross-entropy (paper equation 8). The share q
    adapts to each sample (algorithm 2).

    A step costs 7 + 2k passes (standard training: 3), since the clean training pass serves the
    loss and the saliency map; with ``search_mode="eval"`` the map needs a pass of its own, and
    it is 8 + 2k.

    Four options, all off by default, make it cheaper at a price in quality that has to be
    measured. ``steps=0`` replaces the search by one signed step away from the class, along the
    gradient that the map is made of anyway, at 7 passes. ``search_share`` s < 1 searches a part of
    each batch, as a batch of its own beside the training pass: 3 + (5 + 2k) s passes, or
    3 + (6 + 2k) s with ``search_mode="eval"``. ``search_interval`` m searches in every m-th step
    and makes the others standard training, at 3 passes; ``delay_steps`` makes the first steps so.
    These three act in training mode only.

    The buffer ``proportion``, float32, shape (num_samples,), holds q; it follows each sample's
    index in the training set, is saved in the ``state_dict`` and, where
    ``torch.distributed`` is initialised, is the same on all processes after every step. It stays
    float32, with its values, when a module that holds the objective is cast (``.bfloat16()``).
    The buffer ``step``, int64, counts all training steps: a call in training mode each, hence
    batches where gradients accumulate.

    Args:
        num_samples: Size of the training set.
        epsilon: Radius of the perturbation in the maximum norm, in units of the inputs (pixels
            in [0, 1]); at 0 nothing is perturbed. 64/255 was chosen on CIFAR-10; the 8/255 that is
            customary for adversarial robustness cleans the maps less.
        steps: k, steps of the perturbation search; 4 is the paper's default, 1 is FGSM. 0 takes one
            step from a random start, too, but against the gradient of the saliency map, which is
            known: it lowers the class's score instead of raising the divergence.
        step_size: Size of a search step in units of the inputs; by default 2.5 epsilon / k, and
            2.5 epsilon for k = 0.
        weight: lambda, the weight of the divergence (in bits) beside the cross-entropy (nats).
            Chosen on CIFAR-10 with the radius and the proportion: 3 costs a point of accuracy less
            and leaves three times the LeRF.
        initial_proportion: q_0 in [0, 1], the share of features that is perturbed at first. 0.2 is
            the share of the pixels that perturbation curves replace; larger ones cost accuracy on
            CIFAR-10.
        proportion_step: gamma, how far one visit moves q. Small by default: a prototype lost
            the method's gain when q spread widely among samples.
        min_proportion: q_min, the least share that q may fall to.
        max_proportion: q_max, the greatest share that q may rise to.
        warmup_steps: Training steps before q adapts (N^warm-up), counted from the first step of
            the training, whether it had a search or not.
        region_size: Side in pixels of the square regions over which the map is averaged; 1 asks
            for no regions. By default it suits the inputs: images of shape (N, C, H, W) have 4
            from 32 to 64 pixels, an eighth of the shorter side below and a sixteenth above, and
            inputs of any other shape (N, ...) have none. A prototype measured 4 as better than 1
            or 8 for images of 32 pixels.
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
        search_share: Share of each batch, above 0 and at most 1, rounded up and at least two
            samples, that gets the map, the search, the divergence and the update of q; drawn anew
            in each step. 1 is the paper's method. The loss takes the mean divergence of these
            samples, which is that of the batch in expectation where samples do not depend on one
            another. With batch norm it is that of a smaller batch: the perturbed part and the
            clean part are each normalised by their own statistics, and the gradient reaches the
            clean prediction through the training pass.
        search_interval: m; the training steps m, 2m, 3m, ... after the delay are SCAAT's, all
            others standard training. 1 is the paper's method. Nothing makes up for the others, so
            the weight is in effect ``weight`` / m unless it is raised, as StyleGAN2 does with a
            regulariser of every 16th step (arXiv:1912.04958).
        delay_steps: Training steps at the beginning that are standard training; 0 is the paper's
            method. Adversarial training can start late without loss of robustness
            (arXiv:2002.04237). A warm-up that is no longer has no effect.
        ramp_steps: Training steps, counted from the first one, over which the divergence's weight
            rises linearly from 0 to ``weight``; in evaluation mode it is ``weight`` always. 0, the
            paper's method, is a constant weight. Over the whole training and twice as high at the
            end, it gave cleaner maps than a constant one at the same accuracy on CIFAR-10.
        ramp_share: The same as a share of the training, in [0, 1], instead of ``ramp_steps``.
        training_steps: Of the whole training, of which ``ramp_share`` is a share; `scaat.training`
            and the command line know it, a loop of your own has to say it.
        label_smoothing: Share of each label spread over all classes, in [0, 1]; 0 by default,
            because smoothing changes the very confidence that perturbation curves measure.
        bounds: Range of valid inputs, ends included, kept by the search; None for inputs
            without bounds.

    Raises:
        InputError: An option is out of range.
    """

    def __init__(
        self,
        num_samples: int,
        epsilon: float = 64 / 255,
        steps: int = 4,
        step_size: float | None = None,
        weight: float = 5.0,
        initial_proportion: float = 0.2,
        proportion_step: float = 0.01,
        min_proportion: float = 0.1,
        max_proportion: float = 0.9,
        warmup_steps: int = 0,
        region_size: int | None = None,
        divergence: DivergenceName = "jeffreys",
        adaptive: bool = True,
        search_mode: SearchMode = "train",
        score: Score = "logit",
        saliency: Saliency = "gradient",
        smoothgrad_samples: int = 8,
        smoothgrad_noise: float = 0.15,
        label_smoothing: float = 0.0,
        bounds: Bounds | None = (0.0, 1.0),
        search_share: float = 1.0,
        search_interval: int = 1,
        delay_steps: int = 0,
        ramp_steps: int = 0,
        ramp_share: float = 0.0,
        training_steps: int | None = None,
    ) -> None:
        super().__init__(
            num_samples,
            initial_proportion,
            proportion_step,
            min_proportion,
            max_proportion,
            warmup_steps,
            adaptive,
            label_smoothing,
            bounds,
        )
        check_search(epsilon, steps, step_size, search_mode, bounds, zero_steps=True)
        check_positive(weight, "weight", zero=True)
        if region_size is not None:
            check_positive(region_size, "region_size")
        check_positive(smoothgrad_samples, "smoothgrad_samples")
        check_positive(smoothgrad_noise, "smoothgrad_noise", zero=True)
        check_amortised(search_share, search_interval, delay_steps)
        check_choice(divergence, "divergence", tuple(DIVERGENCES))
        check_choice(score, "score", get_args(Score))
        check_choice(saliency, "saliency", get_args(Saliency))
        self.epsilon = epsilon
        self.steps = steps
        self.step_size = step_size
        self.weight = weight
        self.region_size = region_size
        self.divergence = DIVERGENCES[divergence]
        self.search_mode = search_mode
        self.score: Score = score
        self.saliency = saliency
        self.smoothgrad_samples = smoothgrad_samples
        self.smoothgrad_noise = smoothgrad_noise
        self.search_share = search_share
        self.search_interval = search_interval
        self.delay_steps = delay_steps
        self.ramp_steps = ramp_length(ramp_steps, ramp_share, training_steps)

    @property
    def cycle(self) -> int:
        """Training steps from one search to the next."""
        return self.search_interval

    @property
    def delay(self) -> int:
        """Training steps before the first cycle."""
        return self.delay_steps

    @torch.no_grad()
    def skip_to_own_step(self) -> None:
        """Set the count of steps to that before the first search."""
        self._known_step = self.delay_steps + self.search_interval - 1
        self.step.fill_(self._known_step)

    def forward(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        index: Tensor,
        counted: Tensor | None = None,
    ) -> ObjectiveOutput:
        """Compute the loss of one batch and, in training mode, adapt q.

        See `Objective.forward`. The terms are ``cross_entropy`` (nats) and ``proportion`` (mean
        q of the batch) and, of the samples that were searched and only where there was a search,
        ``divergence`` (bits) and ``adversarial_accuracy``.
        """
        self.check_batch(images, labels, index, counted)
        if self._checking:
            check_index(index, len(self.proportion))
        if (self.region_size or 1) > 1 and images.dim() != 4:
            raise InputError(
                f"region_size is {self.region_size}, which needs images of shape (N, C, H, W), "
                f"but the inputs have shape {tuple(images.shape)}: leave it out, or pass 1"
            )
        if self.training and not is_search_step(
            self._steps_before(), interval=self.search_interval, delay=self.delay_steps
        ):
            logits = self.clean_logits(model, images, labels)
            loss = self.cross_entropy(logits, labels)
            terms = {"cross_entropy": loss.detach(), "proportion": self.proportion[index].mean()}
            self._count_step()
            return ObjectiveOutput(loss, logits, terms)
        samples = len(images)
        count = searched_count(samples, self.search_share) if self.training else samples
        if count == samples:
            chosen = None
            logits, adversarial = self._perturb_batch(model, images, labels, index)
            clean = logits
        else:
            logits = self.clean_logits(model, images, labels)
            # After the training pass, which so draws what it draws in standard training.
            chosen = choose_samples(samples, count, images.device)
            part = (take(values, chosen) for values in (images, labels, index))
            clean, adversarial = self._perturb_part(model, *part)
            passed = take(logits, chosen)
            clean = clean + (passed - passed.detach())
        adversarial_logits = loss_view(model)(adversarial)
        cross_entropy = self.cross_entropy(logits, labels)
        divergence = self.divergence(adversarial_logits, clean).mean()
        correct = adversarial_logits.argmax(1) == take(labels, chosen)
        terms = {
            "cross_entropy": cross_entropy.detach(),
            "divergence": divergence.detach(),
            "proportion": self.proportion[index].mean(),
            "adversarial_accuracy": correct.float().mean(),
        }
        weight = self.weight
        if self.training:
            weight *= ramp(self._steps_before(), self.ramp_steps)
            self._count_step()
            counted = None if counted is None else take(counted, chosen)
            self._adapt(take(index, chosen), correct, counted)
        return ObjectiveOutput(cross_entropy + weight * divergence, logits, terms)

    def _perturb_batch(
        self, model: nn.Module, images: Tensor, labels: Tensor, index: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The training pass's logits, and all images perturbed."""
        if self.search_mode == "eval":
            logits = self.clean_logits(model, images, labels)
            return logits, self._separate_search(model, images, labels, index)[1]
        logits, gradient = self._train_gradient(model, images, labels)
        return logits, self._search(model, images, gradient, logits, index)

    def _perturb_part(
        self, model: nn.Module, images: Tensor, labels: Tensor, index: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits of a part of a batch as a batch of its own, without a graph, and it perturbed.

        With batch norm they differ from the training pass's. The perturbed part's statistics are a
        part's, too, and compared with the whole batch's logits even no perturbation would diverge.
        """
        logits, adversarial = self._separate_search(model, images, labels, index)
        if self.search_mode == "eval":
            with torch.no_grad():
                logits = search_view(model)(images)
        return logits, adversarial

    def _separate_search(
        self, model: nn.Module, images: Tensor, labels: Tensor, index: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits of a pass of their own in the search's mode, and the images perturbed."""
        with evaluation_mode(model) if self.search_mode == "eval" else nullcontext():
            logits, gradient = self._separate_gradient(model, images, labels)
            return logits, self._search(model, images, gradient, logits, index)

    def _train_gradient(
        self, model: nn.Module, images: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The training pass's logits, and the saliency's gradient from that same pass."""
        if self.saliency == "smoothgrad":
            logits = self.clean_logits(model, images, labels)
            return logits, self._smoothgrad(model, images, labels)
        leaf = images.detach().requires_grad_()
        keep_graphs(model)
        logits = self.clean_logits(model, leaf, labels)
        gradient = score_gradient(logits, leaf, labels, score=self.score, retain_graph=True)
        return logits, gradient

    def _separate_gradient(
        self, model: nn.Module, images: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits and the saliency's gradient of a pass of their own in the model's mode."""
        view = search_view(model)
        if self.saliency == "smoothgrad":
            with torch.no_grad():
                reference = view(images)
            return reference, self._smoothgrad(model, images, labels)
        leaf = images.detach().requires_grad_()
        reference = view(leaf)
        gradient = score_gradient(reference, leaf, labels, score=self.score)
        return reference.detach(), gradient

    def _smoothgrad(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return smoothgrad(
            search_view(model),
            images,
            labels,
            samples=self.smoothgrad_samples,
            noise=self.smoothgrad_noise,
            score=self.score,
        )

    def _search(
        self, model: nn.Module, images: Tensor, gradient: Tensor, reference: Tensor, index: Tensor
    ) -> Tensor:
        maps = sum_channels(gradient)
        if images.dim() == 4:
            maps = region_average(maps, self.region_size or suited_region_size(*maps.shape[1:]))
        mask = lowest(maps, self.proportion[index])
        if self.steps == 0:
            return masked_step(
                images,
                -gradient,  # away from the class
                mask,
                epsilon=self.epsilon,
                step_size=self.step_size,
                bounds=self.bounds,
            )
        return masked_pgd(
            search_view(model),
            images,
            mask,
            epsilon=self.epsilon,
            steps=self.steps,
            step_size=self.step_size,
            divergence=self.divergence,
            reference=reference,
            bounds=self.bounds,
        )
