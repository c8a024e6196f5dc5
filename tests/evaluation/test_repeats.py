from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scaat.evaluation.measures.removal import Stop, stop


def rounds(count: int, images: float, noise: float, n: int = 400) -> list[dict[str, torch.Tensor]]:
    """Values of n images that differ by ``images``, measured with ``noise`` in each round."""
    generator = np.random.default_rng(0)
    means = generator.normal(0, images, n)
    return [{"lerf": torch.from_numpy(means + generator.normal(0, noise, n))} for _ in range(count)]


def test_stops_at_the_width_that_was_asked_for() -> None:
    half_width = 1.96 * 2.0 / math.sqrt(400)  # 0.196
    found = rounds(1, images=2.0, noise=0.0)
    assert stop(found, tolerance=1.1 * half_width, affordable=True) is Stop.NARROW
    assert stop(found, tolerance=0.9 * half_width, affordable=True) is None


def test_repeats_narrow_what_is_noise() -> None:
    # One round: 1.96 x 2 / 20 = 0.196; eight: 0.069.
    noisy = rounds(8, images=0.0, noise=2.0)
    assert stop(noisy[:1], tolerance=0.1, affordable=True) is None
    assert stop(noisy[:2], tolerance=0.1, affordable=True) is None
    assert stop(noisy, tolerance=0.1, affordable=True) is Stop.NARROW


@pytest.mark.parametrize(("noise", "expected"), [(0.2, Stop.IMAGES), (2.0, None)])
def test_stops_where_only_more_images_would_help(noise: float, expected: Stop | None) -> None:
    found = rounds(2, images=2.0, noise=noise)
    assert stop(found, tolerance=1e-6, affordable=True) is expected


def test_every_metric_must_be_narrow() -> None:
    found = rounds(1, images=0.01, noise=0.0)
    wide = rounds(1, images=2.0, noise=0.0)[0]["lerf"]
    assert stop(found, tolerance=0.1, affordable=True) is Stop.NARROW
    assert stop([found[0] | {"morf": wide}], tolerance=0.1, affordable=True) is None


def test_the_limit_is_named_only_where_nothing_else_stopped() -> None:
    noisy = rounds(2, images=0.0, noise=2.0)
    assert stop(noisy, tolerance=0.01, affordable=False) is Stop.LIMIT
    assert stop(noisy, tolerance=1.0, affordable=False) is Stop.NARROW
