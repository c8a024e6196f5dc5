"""What training costs: passes counted from operations, time beside standard training, memory."""

from scaat.cost.counting import FlopCounter, Operations, count_operations
from scaat.cost.measure import BASE, Cost, Variant, measure_costs
from scaat.cost.step import Spread

__all__ = [
    "BASE",
    "Cost",
    "FlopCounter",
    "Operations",
    "Spread",
    "Variant",
    "count_operations",
    "measure_costs",
]
