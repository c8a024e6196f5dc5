"""Compare what two checkouts compute, bit for bit.

    PYTHONPATH=OLD/src python benchmarks/same_outputs.py write old.pt
    PYTHONPATH=NEW/src python benchmarks/same_outputs.py write new.pt
    python benchmarks/same_outputs.py compare old.pt new.pt

Written are losses, logits and gradients of training steps by every objective in several
settings, and the measures of an evaluation by three saliency methods. A minute on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

# Settings are written out where their defaults may differ between checkouts.
SCAAT = {"weight": 5.0, "steps": 4, "step_size": 40 / 255, "search_interval": 1}
STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "standard": ("standard", {}),
    "standard, smoothed labels": ("standard", {"label_smoothing": 0.1}),
    "saliency-guided": ("saliency-guided", {}),
    "scaat": ("scaat", SCAAT),
    "scaat, FGSM": ("scaat", {**SCAAT, "steps": 1, "step_size": 80 / 255}),
    "scaat, no search": ("scaat", {**SCAAT, "steps": 0, "step_size": 80 / 255}),
    "scaat, eval": ("scaat", {**SCAAT, "search_mode": "eval"}),
    "scaat, probability, KL": ("scaat", {**SCAAT, "score": "probability", "divergence": "kl"}),
    "scaat, every third step, ramp": ("scaat", {**SCAAT, "search_interval": 3, "ramp_steps": 5}),
    "pgd-adversarial": ("pgd-adversarial", {}),
    "trades": ("trades", {}),
    "saliency-guided-adversarial": ("saliency-guided-adversarial", {}),
    "input-gradient": ("input-gradient", {}),
    "norm-regularised": ("norm-regularised", {}),
}


def model() -> torch.nn.Module:
    """Return a small network with batch norm."""
    from scaat.models import build_model

    torch.manual_seed(0)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.2, 0.2)
    return build_model("small-resnet", num_classes=3, image_size=(32, 32), mean=mean, std=std)


def training_steps() -> dict[str, Tensor]:
    """Return three steps' losses, the last one's logits and gradients, and the proportions."""
    from scaat.objectives import build_objective

    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(8) % 3
    written = {}
    for title, (name, options) in STEPS.items():
        network, objective = model().train(), build_objective(name, 20, options)
        for step in range(3):
            torch.manual_seed(step)
            network.zero_grad()
            out = objective(network, images, labels, torch.arange(8))
            out.loss.backward()
            written[f"{title}/loss {step}"] = out.loss.detach()
        written[f"{title}/logits"] = out.logits.detach()
        for key, weight in network.named_parameters():
            if weight.grad is not None:
                written[f"{title}/gradient of {key}"] = weight.grad
        if hasattr(objective, "proportion") and isinstance(objective.proportion, Tensor):
            written[f"{title}/proportion"] = objective.proportion
    return written


def evaluation() -> dict[str, Tensor]:
    """Return the per-image values of an evaluation on handwritten digits."""
    from scaat.data import DataOptions, load_data
    from scaat.evaluation import EvaluationOptions, evaluate
    from scaat.models import build_model

    splits = load_data(DataOptions("digits"), seed=0)
    torch.manual_seed(0)
    network = build_model(
        "small-resnet", num_classes=10, image_size=(8, 8), mean=(0.3,), std=(0.4,), channels=1
    )
    options = EvaluationOptions(
        images=20,
        attributions=("gradient", "smoothgrad", "integrated-gradients"),
        also_measure=("lattice", "insertion-deletion", "road", "stability", "calibration"),
        bootstrap_resamples=100,
    )
    written = {}
    for name, result in evaluate(network.eval(), splits.test, options).results.items():
        for key, values in result.per_image.items():
            written[f"evaluate/{name}/{key}"] = torch.as_tensor(values)
        for key, value in result.metrics.items():
            if isinstance(value, dict) and "value" in value:
                numbers = (value[part] for part in ("value", "low", "high"))
                written[f"evaluate/{name}/{key} with interval"] = torch.tensor(
                    [float("nan") if number is None else float(number) for number in numbers]
                )
    return written


def compare(first: Path, second: Path) -> int:
    """Print every difference; return how many there are."""
    one, two = (torch.load(path, weights_only=True) for path in (first, second))
    differences = sorted(one.keys() ^ two.keys())
    lines = [f"only in one: {key}" for key in differences]
    for key in one.keys() & two.keys():
        try:
            torch.testing.assert_close(one[key], two[key], rtol=0, atol=0, equal_nan=True)
        except AssertionError as error:
            lines.append(f"{key}: {' '.join(str(error).split())}")
    print("\n".join(sorted(lines)) or f"all {len(one)} tensors are equal, bit for bit")
    return len(lines)


def main() -> None:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("write", "compare"))
    parser.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    count = 2 if arguments.action == "compare" else 1
    if len(arguments.files) != count:
        parser.error(f"{arguments.action} takes {count} file(s), found {len(arguments.files)}")
    if arguments.action == "compare":
        raise SystemExit(compare(*arguments.files) > 0)
    torch.save({**training_steps(), **evaluation()}, arguments.files[0])


if __name__ == "__main__":
    main()
