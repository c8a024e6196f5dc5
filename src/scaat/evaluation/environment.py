"""What a number was computed with: versions and hardware, nothing that names the machine."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import torch

from scaat.hardware import cpu_name

PACKAGES = ("scaat", "torchvision", "lightning", "captum", "numpy", "pillow")


def environment(device: torch.device | str = "cpu") -> dict[str, str | int]:
    """Return the versions of what decides the numbers, the platform, the hardware and the date.

    No host name, user name or path is in it, so it can be published.
    """
    versions = {name: _version(name) for name in PACKAGES}
    return {
        **versions,
        "torch": str(torch.__version__),  # with its CUDA build, which the metadata lacks
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "threads": torch.get_num_threads(),
        "device": _device(torch.device(device)),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
