"""The saliency metrics of one model and saliency method, image by image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scaat.attribution import Attribution
from scaat.data.image_set import to_float
from scaat.evaluation.options import EvaluationOptions
from scaat.metrics import AOPC, CompressedSize, GiniIndex, SaliencyEntropy

_ATTRIBUTION_SHARE = 4  # a pass that is differentiated keeps its activations: smaller batches


def measure_saliency(
    model: nn.Module,
    attribute: Attribution,
    images: Tensor,
    targets: Tensor,
    numbers: Tensor,
    options: EvaluationOptions,
    *,
    seed: int,
    batch_size: int,
    device: torch.device,
    tick: Callable[[int], None],
) -> dict[str, NDArray[Any]]:
    """Return every saliency metric of every image.

    Args:
        model: on ``device``, in eval mode.
        attribute: the saliency method.
        images: uint8 (n, C, H, W).
        targets: int64 (n,), the predicted classes.
        numbers: int64 (n,), the images' positions in the test set; they name the random pixels.
        options: the protocol.
        seed: of the random pixels.
        batch_size: images in a forward pass.
        device: of the model.
        tick: called with the number of images of each forward pass of the perturbation curves.

    Returns:
        float32 ``entropy``, ``size_kb``, ``gini``, ``aopc_lerf`` and ``aopc_morf`` (n,), and
        ``lerf`` and ``morf`` (n, steps).
    """
    sparsity = {
        "entropy": SaliencyEntropy(),
        "size_kb": CompressedSize(options.size_codec, options.size_quality),
        "gini": GiniIndex(),
    }
    faithfulness = AOPC(
        steps=options.aopc_steps,
        fraction=options.aopc_fraction,
        region_size=options.aopc_region_size,
        repeats=options.aopc_repeats,
        seed=seed,
        batch_size=batch_size,
    )
    predict = _fast_predict(model, device, options.precision, tick)
    for part in torch.split(torch.arange(len(images)), max(1, batch_size // _ATTRIBUTION_SHARE)):
        inputs = to_float(images[part].to(device))
        maps = attribute(model, inputs, targets[part].to(device))
        for metric in sparsity.values():
            metric.update(maps)
        faithfulness.update(predict, inputs, maps, numbers[part])
    measured = {name: metric.values() for name, metric in sparsity.items()}
    measured |= faithfulness.values() | faithfulness.curves()
    return {name: np.asarray(values.cpu()) for name, values in measured.items()}


def _fast_predict(
    model: nn.Module, device: torch.device, precision: str, tick: Callable[[int], None]
) -> Callable[[Tensor], Tensor]:
    half = precision == "bfloat16"
    # Channels-last inputs are faster for half precision everywhere, for float32 on CPUs only.
    memory = torch.channels_last if half or device.type == "cpu" else torch.contiguous_format

    def predict(inputs: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits: Tensor = model(inputs.contiguous(memory_format=memory))
        tick(len(inputs))
        return logits

    return predict
