from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from scaat.data import ImageSet, to_float
from scaat.data.lesions import make_lesions


@pytest.fixture(scope="module")
def patches() -> ImageSet:
    return make_lesions(600, seed=0)


def test_shape_and_balance(patches: ImageSet) -> None:
    assert patches.images.shape == (600, 3, 96, 96)
    assert patches.labels.bincount().tolist() == [300, 300]
    assert patches.classes == ("normal", "tumour")


def test_label_is_whether_a_lesion_is_in_the_central_square(patches: ImageSet) -> None:
    assert patches.masks is not None
    central = patches.masks[:, 32:64, 32:64].flatten(1).sum(dim=1)
    assert torch.equal(patches.labels == 1, central > 0)
    assert central[patches.labels == 1].min() > 30  # never by a hair's breadth


def test_most_normal_patches_hold_a_lesion_elsewhere(patches: ImageSet) -> None:
    assert patches.masks is not None
    area = patches.masks.float().mean(dim=(1, 2))
    normal = area[patches.labels == 0]
    assert 0.6 < (normal > 0).float().mean() < 0.95
    assert float(normal.mean()) == pytest.approx(float(area[patches.labels == 1].mean()), rel=0.15)


def test_the_mask_covers_what_is_dark_and_bluish(patches: ImageSet) -> None:
    """In the whole of the set, lesion pixels are far darker in red than all others."""
    assert patches.masks is not None
    red = to_float(patches.images[:, 0])
    assert red[patches.masks].mean() < red[~patches.masks].mean() - 0.2


def test_global_colour_does_not_give_the_label_away(patches: ImageSet) -> None:
    pixels = to_float(patches.images)
    for features in (
        pixels.mean(dim=(2, 3)),
        torch.cat([pixels.mean(dim=(2, 3)), pixels.std(dim=(2, 3))], dim=1),
    ):
        scaled = (features - features.mean(dim=0)) / features.std(dim=0)
        accuracy = cross_val_score(
            LogisticRegression(max_iter=1000), scaled.numpy(), patches.labels.numpy(), cv=5
        ).mean()
        assert accuracy < 0.65


def test_the_seed_decides() -> None:
    first, again, other = (make_lesions(4, seed=seed).images for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_mask_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn again with the lesions' stain left out, a patch changes inside the mask alone."""
    from scaat.data import lesions

    drawn = make_lesions(8, seed=5)
    cytoplasm, draw = lesions._cytoplasm, lesions.draw_nuclei
    calls = 0

    def no_lesion_nuclei(*args: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return draw(*args) * (calls != 1)  # type: ignore[arg-type]  # lesions are drawn first

    monkeypatch.setattr(lesions, "_cytoplasm", lambda *args: cytoplasm(*args) * 0)
    monkeypatch.setattr(lesions, "draw_nuclei", no_lesion_nuclei)
    healthy = make_lesions(8, seed=5)
    assert drawn.masks is not None
    assert healthy.masks is not None
    assert not healthy.masks.any()
    changed = (drawn.images != healthy.images).any(dim=1)
    assert not (changed & ~drawn.masks).any()
    assert (changed & drawn.masks).sum() > 0.95 * drawn.masks.sum()
