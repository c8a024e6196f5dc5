"""Accelerators, processes, arithmetic and compilation that the machine offers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.plugins import Precision as LightningPlugin
from torch import nn

from scaat.errors import InputError, unknown
from scaat.options.training import Compile, Precision, Strategy
from scaat.passes import raise_recompile_limit


def uses_cuda(accelerator: str) -> bool:
    """Whether Lightning takes an NVIDIA GPU for this accelerator; ``auto`` prefers one."""
    return accelerator != "cpu" and torch.cuda.is_available()


def check_accelerator(name: str) -> None:
    """Raise `InputError` for an accelerator, by Lightning's name, that is unknown or absent."""
    known = sorted(AcceleratorRegistry.available_accelerators())
    if name not in (*known, "auto", "gpu"):
        raise unknown("accelerator", name, ["auto", "gpu", *known])
    kinds = known if name == "auto" else ("cuda", "mps") if name == "gpu" else (name,)
    if not any(AcceleratorRegistry[kind]["accelerator"].is_available() for kind in kinds):
        raise InputError(f"accelerator is {name!r}, but there is none here; expected auto or cpu")


@dataclass(frozen=True)
class Launch:
    """The processes of a run."""

    devices: int  # processes on each node
    nodes: int
    strategy: str  # Lightning's name for how they work together

    @property
    def processes(self) -> int:
        """Processes over all nodes."""
        return self.devices * self.nodes

    @property
    def spawns(self) -> bool:
        """Whether this process waits for copies of itself."""
        return self.strategy.startswith("ddp_spawn")


def plan_launch(
    devices: int | None,
    nodes: int | None,
    strategy: Strategy,
    *,
    unused_weights: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Launch:
    """Fit what the user asks for to what started this process.

    ``torchrun`` and SLURM say how many processes there are; without them Lightning starts them:
    ``ddp_spawn`` (on one machine, the default there) copies this process, ``ddp`` runs the command
    once more for each. Devices (on each machine) and nodes are then 1 by default.

    ``unused_weights`` says that some take no part in the loss, such as auxiliary heads.

    Raises:
        InputError: The launcher started another number of processes, or the strategy cannot work.
    """
    if strategy == "fsdp":
        raise InputError(
            "strategy is 'fsdp', which shards the weights inside each forward pass, but the "
            "objectives pass a batch through private copies of weights and buffers, which a "
            "sharded model cannot take; expected ddp (every process holds the whole model)"
        )
    launcher, found_devices, found_nodes = _launched(environ)
    if launcher == "SLURM" and "SLURM_NTASKS_PER_NODE" not in environ:
        tasks = int(environ["SLURM_NTASKS"])
        if tasks > 1:
            raise InputError(
                f"SLURM started {tasks} tasks without saying how many a node has; expected "
                f"--ntasks-per-node={-(-tasks // found_nodes)} instead of --ntasks"
            )
    for name, wanted, started in (
        ("devices", devices, found_devices),
        ("nodes", nodes, found_nodes),
    ):
        if launcher and wanted not in (None, started):
            raise InputError(
                f"{name} is {wanted}, but {launcher} started {started}; expected {name} {started} "
                "or nothing, to take what it started"
            )
    if launcher and strategy == "ddp_spawn":
        raise InputError(
            f"strategy is 'ddp_spawn', but {launcher} started the processes already; expected "
            "auto or ddp"
        )
    devices = found_devices if launcher else devices or 1
    nodes = found_nodes if launcher else nodes or 1
    if nodes > 1 and strategy == "ddp_spawn":
        raise InputError(f"strategy is 'ddp_spawn', which has one node; found nodes {nodes}")
    chosen: str = strategy
    if strategy == "auto":
        # Spawned processes return to the caller, which then continues alone.
        chosen = "ddp" if launcher or nodes > 1 else "ddp_spawn" if devices > 1 else "auto"
    if chosen != "auto" and unused_weights:
        chosen += "_find_unused_parameters_true"
    return Launch(devices, nodes, chosen)


def is_main_process(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process writes the run's files and speaks: the first of all.

    It is the only one until Lightning starts others.
    """
    if "TORCHELASTIC_RUN_ID" in environ:
        return environ["RANK"] == "0"
    if _in_slurm(environ):
        return environ.get("SLURM_PROCID", "0") == "0"
    return environ.get("NODE_RANK", "0") == "0" and environ.get("LOCAL_RANK", "0") == "0"


def started_outside(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the name of the launcher that started this process and others, or None."""
    launcher, devices, nodes = _launched(environ)
    return launcher if launcher and devices * nodes > 1 else None


def slurm_started(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether SLURM itself started this process, and not torchrun inside a job of SLURM's."""
    return _launched(environ)[0] == "SLURM"


def _launched(environ: Mapping[str, str]) -> tuple[str | None, int, int]:
    """Return the launcher's name, its processes on this node and its nodes."""
    if "TORCHELASTIC_RUN_ID" in environ:
        local = int(environ["LOCAL_WORLD_SIZE"])
        return "torchrun", local, int(environ["WORLD_SIZE"]) // local
    if _in_slurm(environ):
        nodes = int(environ.get("SLURM_NNODES", "1"))
        return "SLURM", int(environ["SLURM_NTASKS"]) // nodes, nodes
    return None, 1, 1


def _in_slurm(environ: Mapping[str, str]) -> bool:
    """Whether ``srun`` started this process; an interactive shell in a job is nobody's task."""
    interactive = environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM_NTASKS" in environ and not interactive


LightningPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]


def lightning_precision(precision: Precision, accelerator: str = "auto") -> LightningPrecision:
    """Translate an option to Lightning's name for it.

    ``auto`` is bf16 autocast where the device computes it natively (NVIDIA GPUs since Ampere,
    CPUs with AVX-512 BF16 or AMX); elsewhere bf16 is emulated and slower than float32.
    """
    if precision == "auto":
        precision, _ = automatic_precision(accelerator)
    names: dict[Precision, LightningPrecision] = {
        "32": "32-true",
        "bf16": "bf16-mixed",
        "16": "16-mixed",
    }
    return names[precision]


def precision_plugin(precision: LightningPrecision, accelerator: str) -> LightningPlugin:
    """Return Lightning's plugin; its own choice for float16 on a CPU is another one, bf16."""
    if precision == "32-true":
        return LightningPlugin()
    # With float16 it scales the loss and leaves out steps whose gradients overflow.
    return MixedPrecision(precision, "cuda" if uses_cuda(accelerator) else "cpu")


def autocast_dtype(precision: LightningPrecision) -> torch.dtype | None:
    """Return what autocast computes in for an arithmetic, or None where it does nothing."""
    return {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}[precision]


def automatic_precision(accelerator: str = "auto") -> tuple[Literal["bf16", "32"], str]:
    """Return what ``auto`` means here, and why in a few words."""
    if uses_cuda(accelerator):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "the GPU computes it natively"
        return "32", "the GPU does not compute bf16 natively"
    if accelerator not in ("auto", "cpu"):
        return "32", f"whether {accelerator!r} computes bf16 natively is not known"
    # Private in torch, and the only place that knows; absent means unknown, hence no.
    checks = {"AVX-512 BF16": "_is_avx512_bf16_supported", "AMX": "_is_amx_tile_supported"}
    features = [name for name, check in checks.items() if getattr(torch.cpu, check, bool)()]
    if features:
        return "bf16", f"the processor computes it natively ({', '.join(features)})"
    return "32", "the processor has neither AVX-512 BF16 nor AMX, so bf16 would be slower"


def check_compile(backend: Compile, accelerator: str) -> None:
    """Raise `InputError` for a backend that needs a compiler which is not there."""
    if backend != "inductor" or uses_cuda(accelerator):
        return
    compilers = (os.environ.get("CXX"), "g++", "clang++", "c++", "cl")
    if not any(map(shutil.which, filter(None, compilers))):
        raise InputError(
            "compile is 'inductor', which needs a C++ compiler on this machine's CPU, and none is "
            "found (g++, clang++ or CXX); expected none"
        )


def compile_model(model: nn.Module, backend: Compile) -> None:
    """Compile ``model`` in place; names of weights stay as they are."""
    raise_recompile_limit()
    model.compile(backend=backend)
