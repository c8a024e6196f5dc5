"""How many processes a run has, and who started them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from scaat.errors import InputError
from scaat.options.training import Strategy


@dataclass(frozen=True)
class Launch:
    """The processes of a run.

    Attributes:
        devices: Processes on each node.
        nodes: Machines.
        strategy: Lightning's name for how they work together.
    """

    devices: int
    nodes: int
    strategy: str

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
    ``ddp_spawn`` (on one machine, the default there) copies this process, ``ddp`` runs the
    command once more for each.

    Args:
        devices: Processes on each machine; None for what the launcher started, or 1.
        nodes: Machines; None as for ``devices``.
        strategy: ``"auto"`` chooses.
        unused_weights: Whether some weights take no part in the loss, such as auxiliary heads.
        environ: Environment variables.

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
    for name, wanted, found in (
        ("devices", devices, found_devices),
        ("nodes", nodes, found_nodes),
    ):
        if launcher and wanted not in (None, found):
            raise InputError(
                f"{name} is {wanted}, but {launcher} started {found}; expected {name} {found}, or "
                "nothing, to take what it started"
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
        # Spawned processes return to the caller, which then goes on alone.
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
