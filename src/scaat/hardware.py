"""What this process has to compute with: processor, cores and memory."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


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


def keep_freed_memory() -> bool:
    """Let glibc keep large freed blocks for the next tensors instead of returning them.

    By default every large tensor of a training step is mapped again and faulted in page by page:
    on two CPU cores that took between a tenth and a half of a step's time. The process keeps its
    peak size instead.

    Returns:
        Whether there was a glibc that took the settings.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))
