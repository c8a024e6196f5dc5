"""Process scaling of training on this machine's CPU, and the traffic of a step.

    python benchmarks/processes.py --out results/engineering
    python benchmarks/processes.py --out results/engineering --namespaces     # as root, on Linux

Every contender runs in its own processes: SCAAT on random images under DistributedDataParallel with
gloo, one thread each. Images per second are the sum of all processes at the same batch size each
(weak scaling). Bytes are counted where the collectives are called: the gather of the proportions,
and DistributedDataParallel's sum of the gradients, which only depends on the network.

``--namespaces`` also runs `scaat train` once by ``torchrun`` across two network namespaces joined
by a virtual cable, like two machines. It compares the proportions with those of one process on the
same batches (epsilon 0, so that no random start matters).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from scaat import SCAAT
from scaat.files import write_json, write_text
from scaat.models import build_model
from scaat.training import load_trained

SIDE, CLASSES, SAMPLES = 32, 10, 50_000
PROPORTION = 0.5  # at first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/engineering"))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--namespaces", action="store_true")
    arguments = parser.parse_args()
    file = arguments.out / "processes.json"
    result: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    result["torch"], result["cores"] = torch.__version__, os.cpu_count()
    result["batch_size"], result["steps"] = arguments.batch_size, arguments.steps
    result["rows"] = [measure(n, arguments.steps, arguments.batch_size) for n in (1, 2)]
    if arguments.namespaces:
        result["namespaces"] = across_namespaces()
    write_json(file, result)
    text = markdown(result)
    write_text(arguments.out / "processes.md", text)
    print(text)


def measure(processes: int, steps: int, batch_size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(run, (processes, steps, batch_size, folder), nprocs=processes)
        found = [json.loads((Path(folder) / f"{r}.json").read_text()) for r in range(processes)]
    median = max(statistics.median(f["seconds"]) for f in found)
    # Steps end together, and other work on the machine only ever slows them down.
    fastest = max(min(f["seconds"]) for f in found)
    return {
        "processes": processes,
        "images_per_second": processes * batch_size / median,
        "images_per_second_best": processes * batch_size / fastest,
        "gathers_per_step": found[0]["gathers"],
        "gathered_bytes_per_step": found[0]["bytes"],
        "gradient_bytes": found[0]["gradient_bytes"] if processes > 1 else 0,
    }


def run(rank: int, processes: int, steps: int, batch_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=processes
    )
    sent: list[int] = []
    gather = distributed.all_gather

    def counted(parts: list[torch.Tensor], message: torch.Tensor) -> Any:
        sent.append(message.nbytes)
        return gather(parts, message)

    distributed.all_gather = counted
    torch.manual_seed(0)
    model = build_model(
        "small-resnet",
        num_classes=CLASSES,
        image_size=(SIDE, SIDE),
        mean=[0.5] * 3,
        std=[0.25] * 3,
    )
    parallel = DistributedDataParallel(model) if processes > 1 else model
    objective = SCAAT(SAMPLES, weight=5.0, search_interval=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(rank)
    images = torch.rand(batch_size, 3, SIDE, SIDE, generator=generator)
    labels = torch.arange(batch_size) % CLASSES
    seconds = []
    for step in range(-2, steps):  # two to warm up, in which the gather agrees on its length
        if step == 0:
            sent.clear()
        start = time.perf_counter()
        index = torch.randint(0, SAMPLES, (batch_size,), generator=generator)
        loss = objective(parallel, images, labels, index).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step >= 0:
            seconds.append(time.perf_counter() - start)
    gradients = sum(weight.nbytes for weight in model.parameters())
    found = {
        "seconds": seconds,
        "gathers": len(sent) / steps,
        "bytes": sum(sent) / steps,
        "gradient_bytes": gradients,
    }
    Path(folder, f"{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def across_namespaces() -> dict[str, Any]:
    """Run ``torchrun`` in two network namespaces, and one process for comparison."""
    names, addresses = ("scaat-a", "scaat-b"), ("10.77.0.1", "10.77.0.2")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    for name in names:
        ip("netns", "add", name)
    try:
        ip("link", "add", "scaat-v0", "netns", names[0], "type", "veth",
           "peer", "name", "scaat-v1", "netns", names[1])  # fmt: skip
        for number, (name, address) in enumerate(zip(names, addresses, strict=True)):
            link = f"scaat-v{number}"
            ip("-n", name, "address", "add", f"{address}/24", "dev", link)
            ip("-n", name, "link", "set", link, "up")
            ip("-n", name, "link", "set", "lo", "up")
        with tempfile.TemporaryDirectory() as folder:
            return _train_across(Path(folder), names, addresses[0])
    finally:
        for name in names:
            ip("netns", "delete", name)


def _train_across(folder: Path, names: tuple[str, str], master: str) -> dict[str, Any]:
    def train(out: Path, batch_size: int) -> list[str]:
        return [
            "-m", "scaat", "train", "--out", str(out), "--epochs", "1", "--train-limit", "641",
            "--batch-size", str(batch_size), "--precision", "32", "--accelerator", "cpu",
            "--scaat.weight", "5", "--scaat.search-interval", "1",
            "--scaat.epsilon", "0", "--scaat.initial-proportion", str(PROPORTION),
            "--scaat.proportion-step", "0.02", "--crop-padding", "0",
            "--model", "timm:convnext_atto", "--learning-rate", "0.001",
        ]  # fmt: skip

    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    started = [
        subprocess.Popen(
            ["ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run",
             "--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(rank),
             "--master-addr", master, "--master-port", "29511", *train(folder / "two", 32)],
            env=environment | {"GLOO_SOCKET_IFNAME": f"scaat-v{rank}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, name in enumerate(names)
    ]  # fmt: skip
    for process in started:
        _, error = process.communicate()
        if process.returncode:
            raise SystemExit(f"torchrun failed:\n{error}")
    seconds = time.perf_counter() - start
    subprocess.run([sys.executable, *train(folder / "one", 64)], check=True, env=environment)
    two, one = load_trained(folder / "two"), load_trained(folder / "one")
    assert two.proportion is not None
    assert one.proportion is not None
    moved = two.proportion != PROPORTION
    return {
        "seconds": seconds,
        "samples": len(two.proportion),
        "samples_moved_once": int(moved.sum()),
        "samples_equal_to_one_process": int((two.proportion == one.proportion).sum()),
    }


def markdown(result: dict[str, Any]) -> str:
    base = result["rows"][0]["images_per_second_best"]
    lines = [
        "# Processes",
        "",
        f"`benchmarks/processes.py`: SCAAT (PGD-1) of `small-resnet` on random images of {SIDE} x "
        f"{SIDE} pixels, {result['batch_size']} a process, {result['steps']} steps; a "
        f"thread a process on {result['cores']} cores that other work shared; gloo, torch "
        f"{result['torch']}. Sent bytes are those of one process in one step.",
        "",
        "| processes | images/s, median | images/s, fastest step | of linear | gathers "
        "| bytes gathered | bytes of gradients |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result["rows"]:
        best = row["images_per_second_best"]
        lines.append(
            f"| {row['processes']} | {row['images_per_second']:.1f} | {best:.1f} | "
            f"{best / base / row['processes']:.2f} | {row['gathers_per_step']:g} | "
            f"{row['gathered_bytes_per_step']:g} | {row['gradient_bytes']:,} |"
        )
    if found := result.get("namespaces"):
        lines += [
            "",
            "`torchrun` across two network namespaces (two nodes, a process each, joined by a "
            f"virtual cable), `scaat train` for an epoch: {found['seconds']:.0f} s; "
            f"{found['samples_moved_once']} of {found['samples']} proportions moved, "
            f"{found['samples_equal_to_one_process']} of {found['samples']} equal those of one "
            "process on the same global batches. (The sums of the gradients are rounded in "
            "another order, so a prediction near its border may fall on the other side.)",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
