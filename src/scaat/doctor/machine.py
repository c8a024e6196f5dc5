"""What there is to compute with, as far as it can be found out."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from scaat.hardware import available_memory, core_quota, cpu_name, usable_cores

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Gpu:
    """A GPU that torch can use; memory in bytes."""

    name: str
    memory: int
    free: int


@dataclass(frozen=True)
class Machine:
    """Hardware and room; what cannot be found out is None.

    Attributes:
        cpu: The processor's name.
        cores: That this process may use.
        quota: Cores' worth of time that a container allows, or None for all.
        threads: That torch computes with.
        omp_num_threads: The environment variable OMP_NUM_THREADS.
        torch_build: What torch was built for: ``"cpu"``, ``"CUDA 12.8"``, ``"ROCm 6.3"``.
        gpus: Those that torch can use.
        nvidia_driver: Whether the system has NVIDIA's driver.
        precision: What precision ``auto`` means in a training here.
        precision_reason: Why, or why that is not known.
        free_memory: Bytes that a program could still take.
        free_disk: Bytes that are free in the current folder.
        writable: Whether a file can be made in the current folder.
    """

    cpu: str
    cores: int
    quota: float | None
    threads: int | None
    omp_num_threads: str | None
    torch_build: str | None
    gpus: list[Gpu] = field(default_factory=list)
    nvidia_driver: bool = False
    precision: str | None = None
    precision_reason: str | None = None
    free_memory: int | None = None
    free_disk: int | None = None
    writable: bool = True


def look_at_machine(folder: Path, *, torch_works: bool) -> Machine:
    """Return what this process has to compute with.

    Args:
        folder: Where it would write.
        torch_works: Whether torch can be imported.
    """
    threads, build, precision, reason = None, None, None, None
    gpus: list[Gpu] = []
    if torch_works:
        import torch

        threads = torch.get_num_threads()
        cuda, rocm = torch.version.cuda, torch.version.hip
        build = f"CUDA {cuda}" if cuda else f"ROCm {rocm}" if rocm else "cpu"
        gpus = _gpus()
        precision, reason = _precision()
    return Machine(
        cpu=cpu_name(),
        cores=usable_cores(),
        quota=core_quota(),
        threads=threads,
        omp_num_threads=os.environ.get("OMP_NUM_THREADS"),
        torch_build=build,
        gpus=gpus,
        nvidia_driver=NVIDIA_DRIVER.exists() or shutil.which("nvidia-smi") is not None,
        precision=precision,
        precision_reason=reason,
        free_memory=available_memory(),
        free_disk=_free_disk(folder),
        writable=os.access(folder, os.W_OK | os.X_OK),
    )


def _precision() -> tuple[str | None, str]:
    try:
        from scaat.training.devices import automatic_precision

        return automatic_precision()
    except Exception as error:  # a package of the extra `run` is missing or broken: told elsewhere
        return None, f"unknown, as training cannot be imported ({error})"


def _gpus() -> list[Gpu]:
    import torch

    if not torch.cuda.is_available():
        return []
    found = []
    for number in range(torch.cuda.device_count()):
        free, memory = torch.cuda.mem_get_info(number)
        found.append(Gpu(torch.cuda.get_device_name(number), memory, free))
    return found


def _free_disk(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
