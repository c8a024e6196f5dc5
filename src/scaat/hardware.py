"""What this process has to compute with: processor, cores and memory."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cpu_name() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def usable_cores() -> int:
    """Return the cores that this process may use, which may be fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def core_quota(path: Path = _QUOTA) -> float | None:
    """Return the cores' worth of time that a container allows this process, or None for all.

    Args:
        path: Where Linux's control groups (version 2) say so: a quota and a period, or ``max``.
    """
    try:
        quota, period = path.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def available_memory() -> int | None:
    """Return the bytes that a program could still take, or None where the system does not say.

    Linux counts what it would give back from its file cache. Elsewhere the physical memory is
    the bound, since the free pages that `os.sysconf` reports leave out that cache.
    """
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError, ValueError):
        return None
