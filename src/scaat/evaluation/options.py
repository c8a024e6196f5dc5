"""How saliency maps are measured: the options of `scaat.evaluation.evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scaat.attribution import attributions
from scaat.errors import InputError, unknown
from scaat.functional.aopc import check_protocol
from scaat.functional.compressed_size import save_options
from scaat.statistics import RESAMPLES

PRECISIONS = ("float32", "bfloat16")


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class EvaluationOptions:
    """How saliency maps are measured; the defaults are the paper's protocol (section 4.2)."""

    attributions: tuple[str, ...] = _option(
        ("gradient", "smoothgrad", "integrated-gradients"), "saliency methods to measure"
    )
    images: int = _option(
        200,
        "test images whose saliency maps are measured, drawn at random by the seed; all where "
        "there are no more (accuracy is always over all)",
    )
    aopc_steps: int = _option(20, "points of a perturbation curve")
    aopc_fraction: float = _option(0.2, "share of the regions that the last point replaces")
    aopc_repeats: int = _option(5, "random replacements that a curve averages")
    aopc_region_size: int = _option(1, "side in pixels of the squares that are replaced")
    size_codec: str = _option("png", "codec of the compressed size: png or jpeg")
    size_quality: int | None = _option(None, "quality of the jpeg codec, 1 to 95 (75 if not given)")
    batch_size: int | None = _option(
        None,
        "images in a forward pass; 64 on a CPU and 512 elsewhere if not given; changes no result",
    )
    precision: str = _option(
        "float32",
        "of the perturbation curves' forward passes: float32, or bfloat16, which is faster but "
        "rounds away decays under about 0.001",
    )
    bootstrap_resamples: int = _option(RESAMPLES, "resamples behind a 95 % interval")
    examples: int = _option(6, "test images kept with their maps for pictures")

    def __post_init__(self) -> None:
        """Refuse what can be refused before anything is computed."""
        if not self.attributions:
            raise InputError("no attribution is named, expected at least one")
        for name in self.attributions:
            attributions[name]  # raises with the nearest name
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        for name, least in (
            ("images", 2),
            ("batch_size", 1),
            ("bootstrap_resamples", 100),
            ("examples", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} must be {least} or more, found {value}")
        check_protocol(
            self.aopc_steps, self.aopc_fraction, self.aopc_region_size, self.aopc_repeats
        )
        save_options(self.size_codec, self.size_quality)
