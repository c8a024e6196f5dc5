"""What is installed, what there is to compute with, and what is wrong with it.

It imports nothing but the standard library and ``packaging`` (a dependency of torchmetrics)
before it looks, so it can tell of any other package that is missing or broken.
"""

from __future__ import annotations

from scaat.doctor.diagnosis import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
