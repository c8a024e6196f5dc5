"""How saliency maps are measured: the options of `scaat.evaluation.evaluate`."""

from __future__ import annotations

from dataclasses import dataclass

from scaat.errors import InputError, unknown
from scaat.options.option import check_ranges, option

PRECISIONS = ("float32", "bfloat16")
OPTIONAL_MEASURES = (
    *("lattice", "insertion-deletion", "road", "stability", "randomisation"),
    *("grid-pointing-game", "single-deletion", "sensitivity-n", "f-fidelity"),
    *("robustness", "calibration"),
)


@dataclass(frozen=True)
class EvaluationOptions:
    """How saliency maps are measured; the defaults are the paper's protocol (section 4.2)."""

    attributions: tuple[str, ...] = option(
        ("gradient", "smoothgrad", "integrated-gradients"),
        "saliency methods to measure; scaat methods --kind attribution lists them",
    )
    label: str | None = option(
        None,
        "of several labels an image the one that is measured as two classes, absent and present, "
        "by its name; the first if not given",
    )
    layer: str | None = option(
        None, "layer that Grad-CAM and guided Grad-CAM look at; the last spatial one if not given"
    )
    also_measure: tuple[str, ...] = option(
        (),
        f"what to measure beyond sparsity, AOPC and, where the data has masks or boxes, "
        f"localisation: {', '.join(OPTIONAL_MEASURES)}",
    )
    images: int = option(
        200,
        "test images whose saliency maps are measured, drawn at random by the seed; all where "
        "there are no more (accuracy is always over all)",
        least=2,
    )
    aopc_steps: int = option(20, "points of a perturbation curve")
    aopc_fraction: float = option(0.2, "fraction of the regions that the last point replaces")
    aopc_repeats: int = option(5, "random replacements that a curve averages")
    aopc_region_size: int = option(
        1, "side in pixels of the blocks that are replaced, in the order of their mean saliency"
    )
    aopc_baseline: str = option(
        "random", "what replaces them: random, mean, blur, zero or noisy-linear"
    )
    aopc_tolerance: float | None = option(
        None,
        "add repeats until 95 % intervals of LeRF and MoRF reach no further than this from the "
        "mean, or until more repeats can't narrow them",
        above=0,
    )
    aopc_max_repeats: int = option(100, "repeats that the tolerance may spend")
    deletion_steps: int = option(50, "steps of the insertion and deletion curves", least=1)
    deletion_region_size: int = option(
        1, "side in pixels of the blocks that are inserted or deleted", least=1
    )
    deletion_baseline: str = option("zero", "what replaces deleted pixels")
    insertion_baseline: str = option("blur", "what pixels are inserted into")
    stability_perturbations: int = option(10, "perturbed copies of an image for stability", least=1)
    stability_radius: float = option(
        0.02, "largest change of a pixel in those copies; pixels go from 0 to 1", above=0
    )
    randomisation_stages: int = option(
        5, "models with ever more random layers, from the output on, in the sanity check", least=1
    )
    size_codec: str = option("png", "codec of the compressed size: png or jpeg")
    size_quality: int | None = option(None, "quality of the jpeg codec, 1 to 95 (75 if not given)")
    batch_size: int | None = option(
        None,
        "images in a forward pass; 64 on a CPU and 512 elsewhere if not given; changes no result",
        least=1,
    )
    precision: str = option(
        "float32",
        "of the perturbation curves' forward passes: float32, or bfloat16, which is faster but "
        "rounds away decays under about 0.001",
    )
    bootstrap_resamples: int = option(  # scaat.statistics.RESAMPLES
        2000, "resamples behind a 95 % interval", least=100
    )
    examples: int = option(6, "test images kept with their maps for pictures", least=1)

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
