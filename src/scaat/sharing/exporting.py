"""Models for prediction: ONNX and ``torch.export`` files, written only if they predict the same."""

from __future__ import annotations

import copy
import importlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scaat import __version__
from scaat.errors import InputError, unknown
from scaat.files import write_bytes
from scaat.sharing.files import SharedModel

TOLERANCE = 1e-4
"""Largest accepted difference of an output, in units of the largest logit or of 1.

Other programs add in another order, which moves float32 logits by about 1e-6 of the largest one.
"""

RANDOM_BATCHES = (1, 2, 5)
"""Sizes of the batches of random images; the program was made from one of two."""

Outputs = Sequence[Tensor]
Program = Callable[[Tensor], Outputs]
Made = tuple[bytes, Program]
"""A program's file, and the program that was read back from it."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


class Prediction(nn.Module):
    """From images in [0, 1] to logits, or to logits and their softmax.

    The model is copied: on the CPU, in evaluation mode.
    """

    def __init__(self, model: nn.Module, probabilities: bool) -> None:
        super().__init__()
        # A plain memory layout: others are read back with warnings.
        self.model = copy.deepcopy(model).cpu().to(memory_format=torch.contiguous_format)
        self.probabilities = probabilities
        self.eval()

    @property
    def outputs(self) -> list[str]:
        """Return the outputs' names."""
        return ["logits", "probabilities"] if self.probabilities else ["logits"]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images (N, C, H, W) to logits and, if wanted, probabilities, (N, classes) each."""
        logits: Tensor = self.model(images)
        return (logits, logits.softmax(1)) if self.probabilities else (logits,)


def _random(shared: SharedModel, count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, shared.channels, *shared.image_size, generator=generator)


def _description(shared: SharedModel) -> dict[str, str]:
    """Return what a program's file says of its input and classes: JSON values by name."""
    height, width = shared.image_size
    known = {
        "classes": list(shared.classes),
        "input": {"channels": shared.channels, "height": height, "width": width, "range": [0, 1]},
        "architecture": shared.name,
        "method": shared.method,
        "scaat": __version__,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in known.items()}


def _largest_difference(
    network: Prediction, program: Program, shared: SharedModel, images: Tensor | None
) -> float:
    """Return what `export_model` does, and refuse a program that does not predict the same."""
    worst = 0.0
    for batch in _batches(shared, images):
        with torch.no_grad():
            expected = network(batch)
        actual = program(batch)
        scale = max(1.0, float(expected[0].abs().max()))
        for name, right, value in zip(network.outputs, expected, actual, strict=True):
            if value.shape != right.shape:
                raise InputError(
                    f"the exported model gives {name} of shape {tuple(value.shape)} for "
                    f"{len(batch)} images, expected {tuple(right.shape)}: it is not written"
                )
            difference = float((value - right).abs().max()) / scale
            if not difference <= TOLERANCE:  # NaN is no pass
                raise InputError(
                    f"the exported model's {name} differ from the model's by {difference:.1e} of "
                    f"the largest logit, expected at most {TOLERANCE:.0e}: it is not written"
                )
            worst = max(worst, difference)
    return worst


def _batches(shared: SharedModel, images: Tensor | None) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(1)
    for size in RANDOM_BATCHES:
        yield _random(shared, size, generator)
    if images is None:
        return
    shape = (shared.channels, *shared.image_size)
    if images.dim() != 4 or images.shape[1:] != shape:
        raise InputError(
            f"images to check with have shape {tuple(images.shape)}, expected (k, "
            f"{', '.join(map(str, shape))})"
        )
    yield from torch.split(images, max(RANDOM_BATCHES))


def export_model(
    shared: SharedModel,
    path: Path | str,
    kind: str,
    *,
    probabilities: bool = False,
    images: Tensor | None = None,
) -> float:
    """Write a model as a file that other programs predict with.

    Input is ``images``, float32 (N, C, H, W) in [0, 1] for any N of at least 1; outputs are
    ``logits`` (N, classes) and, if wanted, ``probabilities``. Normalisation is inside. Names of
    classes and size of the input are in the file, as JSON: in an ONNX model's ``metadata_props``,
    in the extra file ``scaat.json`` of a ``torch.export`` program. The file is read back and run on
    random images, and ``images``, before it is written.

    Args:
        shared: The model, which stays as it is.
        path: The file; it is replaced if it is there.
        kind: ``onnx`` (float32, one file, run by onnxruntime) or ``torch-export``.
        probabilities: Whether to give the softmax of the logits, too.
        images: Real images to check with, (k, C, H, W) in [0, 1].

    Returns:
        The largest difference of an output from the model's own, over the largest logit or 1.

    Raises:
        InputError: The format is unknown, a package is missing, the network cannot be exported, or
            the exported one's outputs differ by more than `TOLERANCE`.
        WriteError: The file cannot be written.
    """
    if kind not in FORMATS:
        raise unknown("format", kind, FORMATS)
    network = Prediction(shared.model, probabilities)
    content, program = FORMATS[kind](network, shared)
    difference = _largest_difference(network, program, shared, images)
    write_bytes(Path(path), content)
    return difference


def _inputs(shared: SharedModel) -> dict[str, Any]:
    """Return what both exporters make a program from: two images, any number of which may come."""
    images = _random(shared, 2, torch.Generator().manual_seed(0))
    return {"args": (images,), "dynamic_shapes": {"images": {0: torch.export.Dim("batch")}}}


def _onnx(network: Prediction, shared: SharedModel) -> Made:
    try:
        runtime = [importlib.import_module(name) for name in _PACKAGES][-1]
    except ImportError as error:
        raise InputError(
            f"ONNX needs the packages {', '.join(_PACKAGES)} (pip install 'scaat[export]'): "
            f"{error.name} is missing"
        ) from error
    with _refusal(shared, "ONNX"):
        made: Any = torch.onnx.export(
            network,
            dynamo=True,
            input_names=["images"],
            output_names=network.outputs,
            verbose=False,
            **_inputs(shared),
        )
        made.model.metadata_props.update(_description(shared))
        program = made.model_proto
        for graph in (program.graph, *program.functions):
            for node in graph.node:
                # Where each line of source is on this machine is nobody else's business.
                kept = [entry for entry in node.metadata_props if "stack_trace" not in entry.key]
                del node.metadata_props[:]
                node.metadata_props.extend(kept)
        content: bytes = program.SerializeToString()
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Outputs:
        arrays = session.run(network.outputs, {"images": images.numpy()})
        return [torch.from_numpy(np.asarray(values)) for values in arrays]

    return content, run


def _torch_export(network: Prediction, shared: SharedModel) -> Made:
    with _refusal(shared, "torch.export"):
        made = torch.export.export(network, **_inputs(shared))
        for module in made.graph_module.modules():
            for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
                node.meta.pop("stack_trace", None)  # with this machine's paths
        stream = io.BytesIO()
        known = ", ".join(f'"{key}": {value}' for key, value in _description(shared).items())
        torch.export.save(made, stream, extra_files={"scaat.json": f"{{{known}}}"})
        stream.seek(0)
        program = torch.export.load(stream).module()

    def run(images: Tensor) -> Outputs:
        with torch.no_grad():
            outputs: Outputs = program(images)
        return outputs

    return stream.getvalue(), run


FORMATS: dict[str, Callable[[Prediction, SharedModel], Made]] = {
    "onnx": _onnx,
    "torch-export": _torch_export,
}
"""How each format's file is made."""


@contextmanager
def _refusal(shared: SharedModel, what: str) -> Iterator[None]:
    """Make one sentence of an exporter's refusal, and keep its chatter back."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # exporters raise anything, and at length
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        raise InputError(
            f"model {shared.name!r} cannot be exported to {what} ({reason})"
        ) from error
    finally:
        log.setLevel(level)
