"""B-cos layers in place of linear ones: ``bcos:MODEL``."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from scaat.errors import InputError

_STABLE = 1e-6  # added to the squared norm, as the authors do


class BcosConv2d(nn.Conv2d):
    """A convolution whose outputs are scaled by their alignment with the input: w.x |w.x| / |x|.

    The B-cos transformation with B = 2 and without a bias (Böhle, Fritz and Schiele, CVPR 2022,
    arXiv:2205.10268), whose weights need not have norm 1 (Arya, Rao, Böhle and Schiele,
    "B-cosification", 2024, arXiv:2411.00715). In evaluation mode the scale |w.x| / |x| takes no
    gradient. The gradient of a logit is then the row of the matrix W(x) by which the network
    multiplies its input, the explanation of these networks.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, C, H, W) to the convolution's shape."""
        patches = self.weight.new_ones(self.groups, *self.weight.shape[1:])
        norms = self._conv_forward(images.square(), patches, None)
        return aligned(
            self._conv_forward(images, self.weight, None),
            norms.repeat_interleave(self.out_channels // self.groups, dim=1),
            self.training,
        )


class BcosLinear(nn.Linear):
    """The same transformation of vectors (..., in_features); see `BcosConv2d`."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features)."""
        products = F.linear(features, self.weight)
        return aligned(products, features.square().sum(-1, keepdim=True), self.training)


def aligned(products: Tensor, squared_norms: Tensor, training: bool) -> Tensor:
    """Return products times their absolute value over the input's norm, which may be constant."""
    scale = products.abs() / (squared_norms + _STABLE).sqrt()
    return products * (scale if training else scale.detach())


def put_bcos(network: nn.Module, _: Tensor) -> None:
    """Turn each `torch.nn.Conv2d` and `torch.nn.Linear` of a network into a B-cos layer.

    Here it is a baseline: explanations by another network instead of another training. Weights and
    their names stay, biases go. Layers of a subclass are left as they are. Batch norm stays, so
    W(x) leaves out its constants. The authors' six input channels, an image and its inverse, are
    left out, too: behind a normalisation the second half is the negative first, which adds no
    function. Networks that pool by maxima are not changed to means. None to change is an
    `InputError`.
    """
    kinds: dict[type[nn.Module], type[nn.Module]] = {
        nn.Conv2d: BcosConv2d,
        nn.Linear: BcosLinear,
    }
    layers = [layer for layer in network.modules() if type(layer) in kinds]
    if not layers:
        raise InputError("the network has no torch.nn.Conv2d or torch.nn.Linear to replace")
    for layer in layers:
        layer.__class__ = kinds[type(layer)]
        layer.register_parameter("bias", None)
