"""Does the prediction depend on what the maps call relevant: AOPC, insertion and deletion, ROAD."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from scaat.declarations import Declaration
from scaat.functional.aopc import aopc, perturbation_curve
from scaat.functional.fine_tuned_fidelity import fine_tuned_fidelity
from scaat.functional.insertion_deletion import area_under_curve, insertion_deletion
from scaat.functional.road import road, road_curves
from scaat.metrics.base import CurveMetric


class AOPC(CurveMetric):
    """Mean confidence decay as regions are replaced, least and most relevant first.

    The keyword arguments are those of `scaat.functional.perturbation_curve`.
    """

    names = ("lerf", "morf")
    function = staticmethod(perturbation_curve)
    prefix: ClassVar[str] = "aopc"
    """Of the keys."""
    declares = (
        Declaration(
            key="aopc_lerf",
            name="AOPC LeRF",
            better="lower",
            definition="Mean fall of the predicted class's probability while the least relevant "
            "regions are replaced first: regions that a map calls irrelevant should not matter.",
            category="faithfulness",
            short="LeRF",
            scale=1e3,
            unit="10⁻³",
        ),
        Declaration(
            key="aopc_morf",
            name="AOPC MoRF",
            better="higher",
            definition="The same while the most relevant regions are replaced first: regions that "
            "a map calls relevant should matter.",
            category="faithfulness",
            short="MoRF",
            scale=1e3,
            unit="10⁻³",
        ),
        Declaration(
            key="aopc_rel",
            name="AOPC ratio",
            better="higher",
            definition="Ratio of the two means, MoRF over LeRF: how much more the relevant regions "
            "matter than the irrelevant ones.",
            category="faithfulness",
            short="ratio",
            ratio_of=("aopc_morf", "aopc_lerf"),
        ),
    )

    def values(self) -> dict[str, Tensor]:
        """Return ``aopc_lerf`` and ``aopc_morf`` of each image so far, float32 (N,)."""
        return {f"{self.prefix}_{order}": aopc(curve) for order, curve in self.curves().items()}

    def compute(self) -> dict[str, Tensor]:
        """Return the means ``aopc_lerf``, ``aopc_morf`` and their ratio ``aopc_rel``.

        The ratio is MoRF over LeRF; it is infinite or NaN where the LeRF mean is zero.
        """
        means = super().compute()
        ratio = means[f"{self.prefix}_morf"] / means[f"{self.prefix}_lerf"]
        return {**means, f"{self.prefix}_rel": ratio}


class InsertionDeletion(CurveMetric):
    """Areas under the insertion and the deletion curve.

    The keyword arguments are those of `scaat.functional.insertion_deletion`.
    """

    names = ("insertion", "deletion")
    function = staticmethod(insertion_deletion)
    declares = (
        Declaration(
            key="insertion",
            name="Insertion area",
            better="higher",
            definition="Area under the predicted class's probability while pixels are put back "
            "into a blurred image, the most relevant first: the right pixels restore it soon.",
            category="further",
            short="Insertion",
            decimals=3,
        ),
        Declaration(
            key="deletion",
            name="Deletion area",
            better="lower",
            definition="Area under the same probability while pixels are set to zero, the most "
            "relevant first: without the right pixels it falls soon.",
            category="further",
            short="Deletion",
            decimals=3,
        ),
    )

    def values(self) -> dict[str, Tensor]:
        """Return the areas ``insertion`` and ``deletion`` of each image so far, float32 (N,)."""
        return {name: area_under_curve(curve) for name, curve in self.curves().items()}


class ROAD(CurveMetric):
    """Faithfulness by noisy linear imputation of removed pixels, both orders.

    The keyword arguments are those of `scaat.functional.road.road_curves`.
    """

    names = ("lerf", "morf")
    function = staticmethod(road_curves)
    declares = (
        Declaration(
            key="road",
            name="ROAD",
            better="higher",
            definition="Remove and debias: half of how much more the probability falls as the "
            "most relevant pixels are removed than as the least relevant are, each removed pixel "
            "filled from its neighbours, so that the shape of the removed part gives nothing away.",
            category="further",
            short="ROAD",
            decimals=3,
        ),
    )

    def values(self) -> dict[str, Tensor]:
        """Return ``road``, (``road_morf`` - ``road_lerf``) / 2, and these mean decays (N,)."""
        curves = self.curves()
        parts = {f"road_{order}": aopc(curve) for order, curve in curves.items()}
        return {"road": road(curves), **parts}


class FineTunedFidelity(CurveMetric):
    """F-Fidelity+ and F-Fidelity-: a few pixels of the best, or of the worst, are missing.

    The keyword arguments are those of `scaat.functional.fine_tuned_fidelity`.
    """

    names = ("lerf", "morf")
    function = staticmethod(fine_tuned_fidelity)
    declares = (
        Declaration(
            key="fidelity_relevant",
            name="F-Fidelity+",
            better="higher",
            definition="Mean fall of the predicted class's probability while random pixels of the "
            "most relevant part are missing, at most a tenth of the image.",
            category="further",
            scale=1e3,
            unit="10⁻³",
        ),
        Declaration(
            key="fidelity_irrelevant",
            name="F-Fidelity−",
            better="lower",
            definition="The same while random pixels of the least relevant part are missing.",
            category="further",
            scale=1e3,
            unit="10⁻³",
        ),
    )

    def values(self) -> dict[str, Tensor]:
        """Return both means over the steps of each image so far, float32 (N,)."""
        curves = self.curves()
        return {
            "fidelity_relevant": aopc(curves["morf"]),
            "fidelity_irrelevant": aopc(curves["lerf"]),
        }
