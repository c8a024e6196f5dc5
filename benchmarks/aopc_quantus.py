"""Time and memory of our perturbation curves compared with Quantus, on the same task.

    pip install quantus
    python benchmarks/aopc_quantus.py --out results/engineering

Quantus 0.6 (https://github.com/understandable-machine-intelligence-lab/Quantus) is not a dependency
of scaat. The command prints the table and writes ``aopc-quantus.md`` and ``aopc-quantus.json``.
Model weights and images are random, which does not affect the time. Every contender runs in its own
process: import, load, measure the memory in use, warm up on a few images, then ``--runs`` timed
runs, of which the median counts. Peak memory is the highest resident size above that base, so it
includes the batch's activations. Quantus sends all images up to the batch size at once, so
``--images`` should not be fewer. Passes are counted inside the model.

Where the protocols coincide, values must agree to 1e-5, or the command fails:

* Quantus' PixelFlipping ranks features, with separate channels. If all channels of a pixel have the
  same saliency, all pixels differ and steps hold whole pixels, it flips the pixels that we replace.
* It always flips all features. Our curve stops at its fraction, a fifth of the pixels in the paper.
  The first row measures the whole curve, the second the fraction.
* The number of its steps, 96, is therefore divisible by three, and the image's side by 24.
* RegionPerturbation handles one region per step and one order per call; it can stop early. We
  compute both orders at once, on the same clean pass.
* The baseline is the constant 0, our "zero". Quantus' "black" is the array's minimum, its "mean"
  that of all channels of the perturbed image at each step: they differ from ours.
* Quantus' "uniform" draws one value per sample and step. Ours draws every pixel and channel, and
  averages over repeats. The paper's protocol (``--paper``) is therefore only timed: 5 repeats of
  both orders, which take ten calls of PixelFlipping.

Our predictions are measured in three ways: the model as it is, as Quantus calls it; in the
channels-last memory layout, as `scaat.evaluation` calls it on a CPU; and in that layout in
bfloat16, its option ``precision``. The last column shows the rounding of bfloat16. It is large
where two classes are nearly equal, as often for this untrained model, and the predicted class
changes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 10
FLIPPING_STEPS = 96  # of PixelFlipping over all features
PATCH = 4
PAPER_REPEATS = 5
TOLERANCE = 1e-5

CASES = {
    "whole": "PixelFlipping: MoRF, 96 steps to 100 %",
    "fifth": "PixelFlipping: MoRF, the first 20 of 96 steps (21 %)",
    "regions": "RegionPerturbation: LeRF and MoRF, 4 x 4 regions one by one to 20 %",
    "paper": "The paper's: LeRF and MoRF, 20 steps to 21 %, random baseline, 5 repeats",
}
OURS = {
    "scaat": "scaat, model as it is",
    "channels-last": "scaat, channels-last",
    "bfloat16": "scaat, channels-last bfloat16",
}
SETTINGS = ("images", "size", "model", "threads", "batch_size", "runs", "seed")

Curves = dict[str, Any]
"""Arrays (images, steps) of the probability's decay, by order."""

Call = Callable[[Any, Any, Any, Any], Curves]
"""Maps images, maps, the predicted classes and their probabilities to curves."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Time and memory of scaat's perturbation curves against Quantus."
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results/engineering"), help="folder of the tables"
    )
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=48, help="side in pixels, divisible by 24")
    parser.add_argument("--model", default="small-resnet", help="as for `scaat train --model`")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=64, help="64 is Quantus' default")
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each contender")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--paper", action="store_true", help="also the paper's protocol (slow)")
    parser.add_argument("--child", nargs=3, metavar=("CASE", "CONTENDER", "FILE"), help="internal")
    options = parser.parse_args()
    if options.size % 24:
        parser.error(f"--size must be divisible by 24, found {options.size}")
    if not find_spec("quantus"):
        parser.error("Quantus is not installed: pip install quantus")
    if options.child:
        measure(options, *options.child)
        return
    results = compare(options)
    report(options, results)
    worst = max(row["difference"] for row in results["rows"] if row["exact"])
    if worst > TOLERANCE:
        sys.exit(f"values differ by {worst:.1e}, expected at most {TOLERANCE:.0e}")


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Measure every contender in every case, and put each of ours beside Quantus."""
    rows = []
    versions: dict[str, Any] = {}
    for case in CASES:
        if case == "paper" and not options.paper:
            continue
        quantus, expected = run(options, case, "quantus")
        versions = quantus["environment"]
        for contender in OURS:
            found, curves = run(options, case, contender)
            row = {
                "case": case,
                "contender": contender,
                "seconds": found["seconds"],
                "quantus_seconds": quantus["seconds"],
                "time_ratio": quantus["seconds"] / found["seconds"],
                "passes": found["passes"],
                "quantus_passes": quantus["passes"],
                "peak_mib": found["peak_mib"],
                "quantus_peak_mib": quantus["peak_mib"],
                "memory_ratio": quantus["peak_mib"] / found["peak_mib"],
                "difference": None if case == "paper" else difference(curves, expected),
                "largest_decay": max(float(abs(curve).max()) for curve in curves.values()),
                "exact": case != "paper" and contender != "bfloat16",
            }
            rows.append(row)
            print(" | ".join(cells(row)), flush=True)
    settings = {name: getattr(options, name) for name in SETTINGS}
    return {"settings": settings, "environment": versions, "rows": rows}


def difference(curves: Curves, expected: Curves) -> float:
    """Return the largest absolute difference; the expected curves may go on further."""
    return max(
        float(abs(curve - expected[order][:, : curve.shape[1]]).max())
        for order, curve in curves.items()
    )


def run(options: argparse.Namespace, case: str, contender: str) -> tuple[dict[str, Any], Curves]:
    """Measure one contender in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "curves.npz"
        command = [sys.executable, __file__, "--child", case, contender, str(file)]
        for name in SETTINGS:
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        with np.load(file) as curves:
            return json.loads(done.stdout.splitlines()[-1]), dict(curves)


def measure(options: argparse.Namespace, case: str, contender: str, file: str) -> None:
    """Run one contender in this process; write its curves, and print what they took."""
    import torch

    torch.set_num_threads(options.threads)
    model, images, maps = task(options)
    passes = [0]

    def count(_: Any, inputs: Any) -> None:
        passes[0] += len(inputs[0])

    model.register_forward_pre_hook(count)
    prepare = with_quantus if contender == "quantus" else with_scaat
    call = prepare(options, case, contender, model)
    with torch.no_grad():  # one by one: the base below must not hold a batch's activations
        clean, labels = torch.cat([model(x[None]) for x in images]).softmax(1).max(1)

    forget_highest()
    base = highest_mib()
    call(images[:4], maps[:4], labels[:4], clean[:4])
    seconds = []
    curves: Curves = {}
    for _ in range(options.runs):
        passes[0] = 0
        start = time.perf_counter()
        curves = call(images, maps, labels, clean)
        seconds.append(time.perf_counter() - start)
    peak = highest_mib() - base
    np.savez(file, **curves)

    from scaat.evaluation.results import environment

    found = {
        "seconds": statistics.median(seconds),
        "passes": passes[0],
        "peak_mib": peak,
        "environment": {k: v for k, v in environment().items() if k not in SETTINGS}
        | ({"quantus": version("quantus")} if contender == "quantus" else {}),
    }
    print(json.dumps(found))


def task(options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Return the model, and images (N, 3, S, S) with maps (N, S, S) of different values."""
    import torch

    from scaat.models import build_model

    torch.manual_seed(options.seed)
    size, n = options.size, options.images
    coarse = torch.rand(n, 3, 6, 6)
    images = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    images = 0.8 * images + 0.2 * torch.rand_like(images)
    # No two pixels alike, nor two regions: Quantus orders ties as its sort happens to.
    ranks = torch.stack([torch.randperm(size * size) for _ in range(n)]).view(n, size, size)
    maps = (ranks + torch.rand(n, size, size)) / (size * size)
    model = build_model(
        options.model,
        num_classes=CLASSES,
        image_size=(size, size),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
    )
    # The images' own batch statistics: with random weights alone all logits are nearly the same,
    # and everything would agree with everything.
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean over the passes
    with torch.no_grad():
        for part in images.split(8):
            model(part)
    return model.eval(), images, maps


def with_scaat(options: argparse.Namespace, case: str, contender: str, model: Any) -> Call:
    """Return our perturbation curves."""
    import torch

    from scaat.functional import perturbation_curve

    regions = (options.size // PATCH) ** 2
    settings: dict[str, Any] = {
        "whole": {"steps": FLIPPING_STEPS, "fraction": 1.0, "orders": ["morf"]},
        "fifth": {"steps": 20, "fraction": 20 / FLIPPING_STEPS, "orders": ["morf"]},
        "regions": {
            "steps": regions // 5,
            "fraction": regions // 5 / regions,
            "region_size": PATCH,
        },
        "paper": {"steps": 20, "fraction": 20 / FLIPPING_STEPS, "repeats": PAPER_REPEATS},
    }[case]
    baseline = "random" if case == "paper" else "zero"
    half = contender == "bfloat16"
    if contender != "scaat":
        model.to(memory_format=torch.channels_last)

    def predict(inputs: Any) -> Any:
        if contender == "scaat":
            return model(inputs)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            return model(inputs.contiguous(memory_format=torch.channels_last))

    def call(images: Any, maps: Any, labels: Any, clean: Any) -> Curves:
        curves = perturbation_curve(
            predict, images, maps, baseline=baseline, batch_size=options.batch_size, **settings
        )
        return {order: curve.numpy() for order, curve in curves.items()}

    return call


def with_quantus(options: argparse.Namespace, case: str, contender: str, model: Any) -> Call:
    """Return Quantus' curves, as decays from the clean probability."""
    from quantus import PixelFlipping, RegionPerturbation

    plain: dict[str, Any] = {"normalise": False, "abs": False, "disable_warnings": True}
    regions = (options.size // PATCH) ** 2
    channels = 3

    def scores(metric: Any, images: Any, maps: Any, labels: Any) -> Any:
        return np.array(
            metric(
                model=model,
                x_batch=images.numpy(),
                y_batch=labels.numpy(),
                a_batch=maps.unsqueeze(1).numpy(),
                batch_size=options.batch_size,
            )
        )

    def flipping(baseline: float | str) -> Any:
        step = channels * options.size**2 // FLIPPING_STEPS
        return PixelFlipping(features_in_step=step, perturb_baseline=baseline, **plain)

    def call(images: Any, maps: Any, labels: Any, clean: Any) -> Curves:
        before = clean.unsqueeze(1).numpy()
        if case in ("whole", "fifth"):
            return {"morf": before - scores(flipping(0.0), images, maps, labels)}
        if case == "paper":
            orders = {"lerf": maps.max() + maps.min() - maps, "morf": maps}
            return {
                order: before
                - sum(scores(flipping("uniform"), images, m, labels) for _ in range(PAPER_REPEATS))
                / PAPER_REPEATS
                for order, m in orders.items()
            }
        return {
            order: scores(
                RegionPerturbation(
                    patch_size=PATCH,
                    order=order,
                    regions_evaluation=regions // 5,
                    perturb_baseline=0.0,
                    **plain,
                ),
                images,
                maps,
                labels,
            )
            for order in ("lerf", "morf")
        }

    return call


def forget_highest() -> None:
    """Let the largest resident size start from the present one: imports need more for a while."""
    with contextlib.suppress(OSError):  # only Linux can
        Path("/proc/self/clear_refs").write_text("5")


def highest_mib() -> float:
    """Return the largest resident size of this process."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


COLUMNS = (
    "Task",
    "Ours",
    "Time, s: ours / Quantus",
    "Faster",
    "Passes: ours / Quantus",
    "Peak, MiB: ours / Quantus",
    "Less memory",
    "Largest difference",
)


def cells(row: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    gap = row["difference"]
    return [
        CASES[row["case"]],
        OURS[row["contender"]],
        f"{row['seconds']:.2f} / {row['quantus_seconds']:.2f}",
        f"{row['time_ratio']:.2f} x",
        f"{row['passes']:,} / {row['quantus_passes']:,}",
        f"{row['peak_mib']:.0f} / {row['quantus_peak_mib']:.0f}",
        f"{row['memory_ratio']:.2f} x",
        "protocols differ" if gap is None else f"{gap:.1e} (of {row['largest_decay']:.2f})",
    ]


def report(options: argparse.Namespace, results: dict[str, Any]) -> None:
    """Write the table as Markdown and JSON."""
    from scaat.files import write_json, write_text

    lines = ["# Perturbation curves: scaat against Quantus", ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "| --- | --- |" + " ---: |" * (len(COLUMNS) - 2)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in results["rows"]]
    lines += [
        "",
        "Passes are images sent through the model. The difference is that of the curves, the "
        "probability's decay, whose largest is in brackets. Peak memory is over that of the "
        "process with libraries, model and images loaded. Where the protocols coincide and why "
        "they differ elsewhere stands at the head of `benchmarks/aopc_quantus.py`, the command "
        "that wrote this file.",
        "",
        *[f"- {name}: {value}" for name, value in results["settings"].items()],
        *[f"- {name}: {value}" for name, value in results["environment"].items()],
    ]
    write_text(options.out / "aopc-quantus.md", "\n".join(lines) + "\n")
    write_json(options.out / "aopc-quantus.json", results)


if __name__ == "__main__":
    main()
