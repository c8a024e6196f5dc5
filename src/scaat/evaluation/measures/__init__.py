"""Groups of metrics, each one entry of `measures`; the order here is that of the work."""

from scaat.evaluation.measures import (  # noqa: F401  (each registers its measures)
    maps,
    outside,
    removal,
)
from scaat.evaluation.measures.base import Measure, measures

__all__ = ["Measure", "measures"]
