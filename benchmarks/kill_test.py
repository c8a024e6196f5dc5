"""A comparison killed repeatedly by SIGKILL ends like an uninterrupted one.

    python benchmarks/kill_test.py --out results/engineering --kills 100

`scaat compare` (standard training and SCAAT, evaluation, report) runs on scikit-learn's digits.
Each attempt is a process forked from this one to save the imports. ``kill -9`` ends it at a random
moment; every third kill waits for the write of a checkpoint. The next attempt uses ``--resume``.
After a number of kills one attempt runs to its end. Its weights, proportions, optimisers, logs and
results must equal those of an uninterrupted run exactly, except for times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import scaat.cli.train  # noqa: F401  (what the children need)
from scaat.cli.commands import run
from scaat.files import write_json, write_text
from scaat.training import load_trained
from scaat.training.checkpoint import checkpoints, newest_checkpoint, step_of

METHODS = ("standard", "scaat")
EVERY = 3  # steps from one checkpoint to the next
LOG_EVERY = 10  # steps from one row of a log to the next
KILLS_A_RUN = 8
ARGUMENTS = [
    *("compare", "--data", "digits", "--methods", ",".join(METHODS), "--train-limit", "400"),
    *("--epochs", "4", "--batch-size", "32", "--precision", "32", "--learning-rate", "0.05"),
    *("--scaat.weight", "5", "--scaat.search-interval", "1"),
    *("--scaat.steps", "1", "--scaat.epsilon", "0.25", "--checkpoint-every", str(EVERY)),
    *("--accelerator", "cpu", "--eval-images", "8", "--eval-aopc-repeats", "1"),
    *("--eval-aopc-steps", "4", "--eval-attributions", "gradient", "--eval-examples", "2"),
    *("--eval-bootstrap-resamples", "100"),
]


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
        seconds: From the attempt's start.
        during: ``"checkpoint"`` if a checkpoint's file was half-written, else what was going on.
        checkpoint: Steps in the newest whole checkpoint of the method in training, or 0.
        logged: Steps in the last row of its log.
    """

    seconds: float
    during: str
    checkpoint: int
    logged: int


def start(out: Path) -> int:
    """Start an attempt at the comparison in ``out`` and return its process."""
    resume = ["--resume"] if (out / "config.yaml").exists() else []
    sys.stdout.flush()
    sys.stderr.flush()
    if child := os.fork():
        return child
    log = os.open(out.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["scaat", *ARGUMENTS, "--out", str(out), *resume]
    status = 1
    try:
        run()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    finally:
        os._exit(status)


def finished(child: int) -> int | None:
    """Return the status of a process that has ended, or None."""
    found, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def kill(out: Path, child: int, after: float, in_checkpoint: bool) -> Kill | None:
    """Kill an attempt after some seconds, or None if it came to its end before."""
    began = time.perf_counter()
    while time.perf_counter() - began < after or (in_checkpoint and not parts(out)):
        if (status := finished(child)) is not None:
            if status:
                raise RuntimeError(f"an attempt failed: see {out.with_suffix('.log')}")
            return None
        time.sleep(0 if in_checkpoint else 0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    method = next((m for m in METHODS if not (folder(out, m) / "training.json").exists()), None)
    if method is None:
        return Kill(time.perf_counter() - began, "evaluation", 0, 0)
    newest = newest_checkpoint(folder(out, method))
    during = "checkpoint" if parts(out) else "training" if newest else "start"
    return Kill(
        time.perf_counter() - began,
        during,
        step_of(newest) if newest else 0,
        last_row(folder(out, method) / "logs" / "steps.csv"),
    )


def folder(out: Path, method: str) -> Path:
    """Return where a method's model is."""
    return out / "models" / method


def parts(out: Path) -> bool:
    """Whether a half-written checkpoint stands in a run."""
    return any(
        name.endswith(".ckpt." + name.rsplit(".", 2)[-2] + ".part")
        for method in METHODS
        for name in _names(folder(out, method) / "checkpoints")
    )


def _names(path: Path) -> list[str]:
    try:
        return [name for name in os.listdir(path) if name.endswith(".part")]
    except OSError:
        return []


def last_row(path: Path) -> int:
    """Return the step of a log's last whole row, or 0."""
    try:
        lines = path.read_text().splitlines(keepends=True)
    except OSError:
        return 0
    rows = [line for line in lines[1:] if line.endswith("\n")]
    return int(rows[-1].split(",")[0]) if rows else 0


def differences(one: Path, two: Path) -> list[str]:
    """Return what two finished comparisons differ in."""
    found = []
    for method in METHODS:
        first, second = (load_trained(folder(out, method)) for out in (one, two))
        weights = second.model.state_dict()
        found += [
            f"{method} weight {name}"
            for name, weight in first.model.state_dict().items()
            if not torch.equal(weight, weights[name])
        ]
        proportions = [p for p in (first.proportion, second.proportion) if p is not None]
        if proportions and not torch.equal(*proportions):
            found.append(f"{method} proportions")
        states = [
            torch.load(checkpoints(folder(out, method))[-1], weights_only=True)
            for out in (one, two)
        ]
        for key in ("optimizer_states", "lr_schedulers", "global_step"):
            if list(leaves(states[0][key])) != list(leaves(states[1][key])):
                found.append(f"{method} {key}")
        for name in ("steps.csv", "epochs.csv"):
            logs = [(folder(out, method) / "logs" / name).read_bytes() for out in (one, two)]
            if logs[0] != logs[1]:
                found.append(f"{method} {name}")
    results = [json.loads((out / "results.json").read_text()) for out in (one, two)]
    for first_row, second_row in zip(*(result["rows"] for result in results), strict=True):
        for key, value in first_row.items():
            if key not in ("train_seconds", "cost_ratio", "settings") and value != second_row[key]:
                found.append(f"{first_row['method']} result {key}")
    return found


def leaves(value: Any) -> Iterator[Any]:
    """Yield the plain values in nested containers, tensors as lists."""
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value.tolist() if isinstance(value, torch.Tensor) else value


def attempt_all(root: Path, kills: int, chance: random.Random) -> tuple[list[Kill], list[Any]]:
    """Kill until there are enough kills, and return them and each run's differences."""
    reference = root / "reference"
    began = time.perf_counter()
    _, status = os.waitpid(start(reference), 0)
    if status:
        raise RuntimeError(f"the reference failed: see {reference.with_suffix('.log')}")
    whole = time.perf_counter() - began
    print(f"a run takes {whole:.1f} s", flush=True)
    made: list[Kill] = []
    runs: list[Any] = []
    while len(made) < kills:
        out = root / f"run-{len(runs)}"
        here = 0
        while True:
            child = start(out)
            done = None
            if here < KILLS_A_RUN and len(made) < kills:
                in_checkpoint = chance.random() < 1 / 3
                done = kill(out, child, chance.uniform(0.0, whole / 2), in_checkpoint)
            elif os.waitpid(child, 0)[1]:
                raise RuntimeError(f"an attempt failed: see {out.with_suffix('.log')}")
            if done is None:
                break
            here += 1
            made.append(done)
            print(f"kill {len(made)}: {done}", flush=True)
        found = differences(reference, out)
        left = [path.name for path in out.rglob("*.part")]
        runs.append({"kills": here, "differences": found, "half-written files left": left})
        print(f"run {len(runs)}: {runs[-1]}", flush=True)
    return made, runs


def main() -> None:
    """Kill, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="Folder for the table.")
    parser.add_argument("--kills", type=int, default=100, help="How many.")
    parser.add_argument("--seed", type=int, default=0, help="Of the moments.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        kills, runs = attempt_all(Path(root), arguments.kills, random.Random(arguments.seed))
    lost = max(max(kill.logged - kill.checkpoint, 0) for kill in kills)
    during = {name: sum(kill.during == name for kill in kills) for name in kinds(kills)}
    content = {
        "torch": torch.__version__,
        "command": " ".join(["scaat", *ARGUMENTS]),
        "seed": arguments.seed,
        "kills": [vars(kill) | {"seconds": round(kill.seconds, 2)} for kill in kills],
        "runs": runs,
        "greatest_logged_beyond_checkpoint": lost,
    }
    write_json(arguments.out / "kill-test.json", content)
    equal = sum(not run["differences"] and not run["half-written files left"] for run in runs)
    text = "\n".join(
        [
            "# Killed and resumed",
            "",
            f"`benchmarks/kill_test.py --kills {arguments.kills}`: {len(kills)} times `kill -9` "
            f"over {len(runs)} runs of",
            "",
            f"    {content['command']}",
            "",
            f"on one CPU thread, torch {torch.__version__}. Moments: "
            + ", ".join(f"{count} {name}" for name, count in during.items())
            + ". (checkpoint: its file was half-written.)",
            "",
            f"**{equal} of {len(runs)} runs** ended with the weights, proportions, optimisers, "
            "schedules, logs and results of the run that was never killed, bit by bit, and no "
            "half-written file.",
            f"With a checkpoint every {EVERY} steps and a row of the log every {LOG_EVERY}, no "
            f"log was more than {lost} steps ahead of its newest whole checkpoint.",
            "",
        ]
    )
    write_text(arguments.out / "kill-test.md", text)
    print(text)
    # A row is written before the checkpoint of its step.
    if equal < len(runs) or lost > EVERY:
        sys.exit(1)


def kinds(kills: list[Kill]) -> list[str]:
    """Return the kinds of moments in the order of their first kill."""
    return list(dict.fromkeys(kill.during for kill in kills))


if __name__ == "__main__":
    main()
