"""How saliency maps are measured: the options of `scaat.evaluation.evaluate`."""

from __future__ import annotations

from dataclasses import dataclass

from scaat.errors import InputError, unknown
from scaat.options.option import check_ranges, described, option

PRECISIONS = ("float32", "bfloat16")
OPTIONAL_MEASURES = (
    *("lattice", "insertion-deletion", "road", "stability", "randomisation"),
    *("grid-pointing-game", "single-deletion", "sensitivity-n", "f-fidelity"),
    *("robustness", "calibration"),
)


@described
@dataclass(frozen=True)
class EvaluationOptions:
    """How saliency maps are measured; the defaults are the paper's protocol (section 4.2).

    Args:
        attributions: saliency methods to measure; scaat methods --kind attribution lists them
        label: of several labels an image the one that is measured as two classes, absent and
            present, by its name; the first if not given
        layer: layer that Grad-CAM and guided Grad-CAM look at; the last spatial one if not given
        also_measure: what to measure beyond sparsity, AOPC and, where the data has masks or boxes,
            localisation: lattice, insertion-deletion, road, stability, randomisation,
            grid-pointing-game, single-deletion, sensitivity-n, f-fidelity, robustness, calibration
        images: test images whose saliency maps are measured, drawn at random by the seed; all where
            there are no more (accuracy is always over all)
        aopc_steps: points of a perturbation curve
        aopc_fraction: fraction of the regions that the last point replaces
        aopc_repeats: random replacements that a curve averages
        aopc_region_size: side in pixels of the blocks that are replaced, in the order of their mean
            saliency
        aopc_baseline: what replaces them: random, mean, blur, zero or noisy-linear
        aopc_tolerance: add repeats until 95 % intervals of LeRF and MoRF reach no further than this
            from the mean, or until more repeats can't narrow them
        aopc_max_repeats: repeats that the tolerance may spend
        deletion_steps: steps of the insertion and deletion curves
        deletion_region_size: side in pixels of the blocks that are inserted or deleted
        deletion_baseline: what replaces deleted pixels
        insertion_baseline: what pixels are inserted into
        stability_perturbations: perturbed copies of an image for stability
        stability_radius: largest change of a pixel in those copies; pixels go from 0 to 1
        randomisation_stages: models with ever more random layers, from the output on, in the sanity
            check
        size_codec: codec of the compressed size: png or jpeg
        size_quality: quality of the jpeg codec, 1 to 95 (75 if not given)
        batch_size: images in a forward pass; 64 on a CPU and 512 elsewhere if not given; changes no
            result
        precision: of the perturbation curves' forward passes: float32, or bfloat16, which is faster
            but rounds away decays under about 0.001
        bootstrap_resamples: resamples behind a 95 % interval
        examples: test images kept with their maps for pictures
    """

    attributions: tuple[str, ...] = ("gradient", "smoothgrad", "integrated-gradients")
    label: str | None = None
    layer: str | None = None
    also_measure: tuple[str, ...] = ()
    images: int = option(200, least=2)
    aopc_steps: int = 20
    aopc_fraction: float = 0.2
    aopc_repeats: int = 5
    aopc_region_size: int = 1
    aopc_baseline: str = "random"
    aopc_tolerance: float | None = option(None, above=0)
    aopc_max_repeats: int = 100
    deletion_steps: int = option(50, least=1)
    deletion_region_size: int = option(1, least=1)
    deletion_baseline: str = "zero"
    insertion_baseline: str = "blur"
    stability_perturbations: int = option(10, least=1)
    stability_radius: float = option(0.02, above=0)
    randomisation_stages: int = option(5, least=1)
    size_codec: str = "png"
    size_quality: int | None = None
    batch_size: int | None = option(None, least=1)
    precision: str = "float32"
    bootstrap_resamples: int = option(2000, least=100)  # scaat.statistics.RESAMPLES
    examples: int = option(6, least=1)

    def __post_init__(self) -> None:
        """Refuse what can be refused before anything is computed."""
        from scaat.attribution import attributions
        from scaat.functional.aopc import check_protocol
        from scaat.functional.baselines import find_baseline
        from scaat.functional.sparsity import save_options

        check_ranges(self)
        if not self.attributions:
            raise InputError("no attribution is named, expected at least one")
        for name in self.attributions:
            attributions[name]  # raises with the nearest name
        for name in self.also_measure:
            if name not in OPTIONAL_MEASURES:
                raise unknown("measure", name, OPTIONAL_MEASURES)
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        if self.aopc_max_repeats < self.aopc_repeats:
            raise InputError(
                f"aopc_max_repeats is {self.aopc_max_repeats}, expected aopc_repeats, "
                f"{self.aopc_repeats}, or more"
            )
        check_protocol(
            self.aopc_steps,
            self.aopc_fraction,
            self.aopc_region_size,
            self.aopc_repeats,
            self.aopc_baseline,
        )
        for baseline in (self.deletion_baseline, self.insertion_baseline):
            if find_baseline(baseline).needs_rest:
                raise InputError(
                    f"insertion and deletion can't use the baseline {baseline!r}, which goes by "
                    "the pixels that are left, since in the end none is"
                )
        save_options(self.size_codec, self.size_quality)
