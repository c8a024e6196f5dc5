"""How the process's memory allocator treats what tensors leave behind."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let glibc keep large freed blocks for the next tensors instead of returning them.

    By default every large tensor of a training step is mapped anew and faulted in page by page:
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
