"""The report as one HTML file that loads nothing."""

from __future__ import annotations

from scaat.report.page.html import html
from scaat.report.page.pictures import Chart

__all__ = ["Chart", "html"]
