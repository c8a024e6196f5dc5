"""Property: whatever is wrong with the input, one sentence says so and no file is lost.

Few examples a property by default, the same ones each time; ``SCAAT_EXAMPLES=200`` makes new ones.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.cli import inside
from tests.data.samples import cifar10, medmnist, mnist, pcam, shards

from scaat.data import DataOptions
from scaat.data.cache import convert

pytestmark = pytest.mark.slow

EXAMPLES = os.environ.get("SCAAT_EXAMPLES")
many = settings(
    max_examples=int(EXAMPLES or 15),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)

scaat = partial(inside.scaat, on_warning="ignore")

TRY = ["--model", "nets:plain", "--precision", "32", "--batch-size", "8", "--dry-run"]
SETTINGS = {
    "training": "model normalisation input_size adapter weights trainable epochs batch_size "
    "learning_rate momentum weight_decay clip_gradient schedule precision devices nodes strategy "
    "accumulate compile",
    "data": "data name test_fraction validation_fraction train_limit image_size group crop_padding "
    "random_labels inclusive_boxes classes",
    "objectives.scaat": "accuracy_budget epsilon steps step_size weight initial_proportion "
    "proportion_step min_proportion max_proportion warmup_steps region_size divergence adaptive "
    "search_mode score search_interval ramp_steps "
    "ramp_fraction",
    "": "seed method nonsense data training objectives",
}
PATHS = [(section, name) for section, names in SETTINGS.items() for name in names.split()]


MEASURE = ["--eval-images", 4, "--eval-aopc-steps", 2, "--eval-attributions", "gradient"]

Damage = Callable[[bytes], bytes]
FRACTIONS = st.floats(0, 1, exclude_max=True)
BITS = st.integers(1, 255)


def flip(content: bytes, places: list[tuple[float, int]]) -> bytes:
    """Change bits at some fractions of a file's length."""
    changed = bytearray(content)
    for fraction, bits in places:
        if changed:
            changed[int(fraction * (len(changed) - 1))] ^= bits
    return bytes(changed)


def overwrite(content: bytes, fraction: float, patch: bytes) -> bytes:
    """Put other bytes over a file from some fraction of its length on."""
    start = int(len(content) * fraction)
    return content[:start] + patch + content[start + len(patch) :]


damages: st.SearchStrategy[Damage] = st.one_of(
    FRACTIONS.map(lambda fraction: lambda content: content[: int(len(content) * fraction)]),
    st.lists(st.tuples(FRACTIONS, BITS), min_size=1, max_size=8).map(
        lambda places: lambda content: flip(content, places)
    ),
    # The beginning of a file holds its magic number and sizes.
    st.lists(st.tuples(st.floats(0, 0.02), BITS), min_size=1, max_size=4).map(
        lambda places: lambda content: flip(content, places)
    ),
    st.tuples(FRACTIONS, st.binary(min_size=1, max_size=64)).map(
        lambda pair: lambda content: overwrite(content, *pair)
    ),
    st.binary(max_size=64).map(lambda other: lambda content: other),
)

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**6, -(2**63), 2**64, 10**30]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=12),
    st.sampled_from(
        ["", "..", "/", "no:such", "nets:", "nets:absent", "nets:not_a_module", "nets:explosive"]
    ),
    st.lists(st.integers(-2, 2), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=1),
)


def in_words(done: inside.Done) -> None:
    """Check that a failure is reported in one sentence, without a traceback."""
    assert done.status in (0, 1, 2), done
    assert "Traceback" not in done.err, done.err
    if done.status:
        error = done.err[done.err.lower().rfind("error:") :]
        assert len(error.split()) > 3, done
        assert len(error) < 2500, done


@contextmanager
def nothing_lost(*folders: Path) -> Iterator[None]:
    """Check that every file in some folders is unchanged and no half-written one stays."""
    before = {folder: _content(folder) for folder in folders}
    yield
    for folder, content in before.items():
        after = _content(folder)
        assert {name: after.get(name) for name in content} == content
        assert not [name for name in after if name.endswith(".part")]


def _content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images of 12 x 12 pixels in two classes; every third is a JPEG."""
    folder = inside.write_images(tmp_path_factory.mktemp("images"), ("left", 12), ("right", 12))
    for path in sorted(folder.rglob("*.png"))[::3]:
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    return folder


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a model was trained and measured."""
    out = tmp_path_factory.mktemp("runs") / "trained"
    done = scaat("train", "--out", out, "--data", f"folder:{images}", *TRY[:-1], "--epochs", 2)
    assert done.status == 0, done
    quick = [*MEASURE, "--eval-aopc-repeats", 1]
    done = scaat("evaluate", out, "--out", out / "measured", *quick)
    assert done.status == 0, done
    return out


@contextmanager
def scratch() -> Iterator[Path]:
    """Hypothesis calls a test many times with one ``tmp_path``: give each call its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def damaged(path: Path, damage: Damage) -> None:
    path.write_bytes(damage(path.read_bytes()))


@many
@given(changes=st.lists(st.tuples(st.sampled_from(PATHS), scalars), min_size=1, max_size=3))
def test_settings(images: Path, changes: list[tuple[tuple[str, str], Any]]) -> None:
    config: dict[str, Any] = {
        "training": {"model": "nets:plain", "batch_size": 8, "precision": "32", "epochs": 1},
        "data": {"data": f"folder:{images}"},
        "objectives": {"scaat": {"steps": 1}},
    }
    for (sections, name), value in changes:
        # A million steps or copies are no mistake that could be told: they only take long.
        assume(not (name in ("steps",) and value == 10**6))
        inner = config
        for section in filter(None, sections.split(".")):
            held = inner.setdefault(section, {})
            if not isinstance(held, dict):
                break
            inner = held
        else:
            inner[name] = value
    with scratch() as folder, nothing_lost(images, folder):
        file = folder / "config.yaml"
        file.write_text(yaml.safe_dump(config))
        done = scaat("train", "--config", file, "--dry-run", "--out", folder / "out")
        in_words(done)
        assert not (folder / "out").exists()


@many
@given(text=st.one_of(st.text(max_size=60), st.binary(max_size=60)))
def test_a_configuration_file_of_anything(text: str | bytes) -> None:
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    with scratch() as folder:
        file = folder / "config.yaml"
        file.write_bytes(content)
        with nothing_lost(folder):
            done = scaat("report", folder / "nothing")
            assert done.status == 2
            in_words(scaat("train", "--config", file, "--data", "folder:absent", "--out", folder))


@many
@given(number=st.integers(0, 23), damage=damages)
def test_an_image(images: Path, number: int, damage: Damage) -> None:
    with scratch() as folder:
        data = folder / "data"
        shutil.copytree(images, data)
        damaged(sorted(path for path in data.rglob("*") if path.is_file())[number], damage)
        with nothing_lost(folder):
            done = scaat("train", "--data", f"folder:{data}", *TRY, "--out", folder / "out")
            in_words(done)
        assert done.status in (0, 2), done


def encoded(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 12), (value, value, 0)).save(buffer, "PNG")
    return buffer.getvalue()


IMAGES = st.one_of(
    st.integers(0, 255).map(encoded),
    st.binary(max_size=40),
    st.none(),
    st.builds(lambda value, damage: damage(encoded(value)), st.integers(0, 255), damages),
)
LABELS = st.one_of(
    st.lists(st.integers(-2, 5), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.integers(0, 1)), min_size=12, max_size=12),
    st.lists(st.floats(width=32), min_size=12, max_size=12),
    st.lists(st.text(max_size=4), min_size=12, max_size=12),
    st.lists(st.sampled_from([2**62, -(2**63), 0, 1]), min_size=12, max_size=12),
    st.just([0, 1] * 6),
)


@many
@given(
    labels=LABELS,
    odd=st.lists(st.tuples(st.integers(0, 11), IMAGES), max_size=2),
    names=st.tuples(
        st.sampled_from(["image", "img", "picture", "label"]),
        st.sampled_from(["label", "fine_label", "target", "image"]),
    ),
    as_struct=st.booleans(),
)
def test_labels_and_columns(
    labels: list[Any], odd: list[tuple[int, Any]], names: tuple[str, str], as_struct: bool
) -> None:
    column: list[Any] = [encoded(20 * row) for row in range(12)]
    for row, value in odd:
        column[row] = value
    if as_struct:
        column = [{"bytes": value, "path": None} for value in column]
    table = pa.table(
        [pa.array(column), pa.array(labels, from_pandas=False)],
        names=list(dict.fromkeys(names)) if names[0] != names[1] else ["image", "label"],
    )
    with scratch() as folder:
        pq.write_table(table, folder / "train.parquet")
        with nothing_lost(folder):
            spec = f"parquet:{folder / 'train.parquet'}"
            done = scaat("train", "--data", spec, *TRY, "--out", folder / "out")
            in_words(done)
        assert done.status in (0, 2), done


@many
@given(damage=damages)
def test_a_shard(damage: Damage) -> None:
    table = pa.table(
        {"image": [encoded(5 * row) for row in range(40)], "label": [row % 2 for row in range(40)]}
    )
    with scratch() as folder:
        pq.write_table(table, folder / "train.parquet", row_group_size=10)
        damaged(folder / "train.parquet", damage)
        with nothing_lost(folder):
            spec = f"parquet:{folder / 'train.parquet'}"
            done = scaat("train", "--data", spec, *TRY, "--out", folder / "out")
            in_words(done)
        assert done.status in (0, 2), done


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Path]]:
    """By kind of data, what stands before and after the scratch folder, and the original."""
    root = tmp_path_factory.mktemp("official")
    converted = root / "cache" / "set"
    tars = root / "webdataset"
    shards(tars, [20, 20])
    convert(DataOptions(data=f"webdataset:{tars}/*.tar"), converted, lambda *now: None)
    cifar10(root / "cifar10", 8)
    medmnist(root / "set.npz", counts=(8, 4, 4))
    (root / "medmnist").mkdir()
    (root / "set.npz").rename(root / "medmnist" / "set.npz")
    return {
        "webdataset": ("/*.tar", tars),
        "cache": ("/set", root / "cache"),
        "cifar10": ("", root / "cifar10"),
        "mnist": ("", mnist(root / "mnist", (30, 12))),
        "medmnist": ("/set.npz", root / "medmnist"),
        "pcam": ("", pcam(root / "pcam", (6, 4, 4))),
    }


@many
@given(
    kind=st.sampled_from(["webdataset", "cache", "cifar10", "mnist", "medmnist", "pcam"]),
    number=st.integers(0, 11),
    damage=damages,
)
def test_official_files(
    official: dict[str, tuple[str, Path]], kind: str, number: int, damage: Damage
) -> None:
    after, original = official[kind]
    with scratch() as folder:
        shutil.copytree(original, folder / "set")
        files = sorted(path for path in (folder / "set").rglob("*") if path.is_file())
        damaged(files[number % len(files)], damage)
        with nothing_lost(folder):
            spec = f"{kind}:{folder / 'set'}{after}"
            done = scaat("train", "--data", spec, *TRY, "--out", folder / "out")
            in_words(done)
        assert done.status in (0, 1, 2), done


@many
@given(name=st.sampled_from(["model.pt", "training.json", "config.yaml"]), damage=damages)
def test_a_trained_run(images: Path, trained: Path, name: str, damage: Damage) -> None:
    with scratch() as folder:
        run = folder / "run"
        shutil.copytree(trained, run, ignore=shutil.ignore_patterns("measured", "checkpoints"))
        damaged(run / name, damage)
        with nothing_lost(folder, images):
            photo = images / "left" / "1.png"
            # --resize: a changed config or model may want another size.
            done = scaat("explain", photo, "--run", run, "--resize", "--out", folder / "shown")
            in_words(done)


@many
@given(damage=damages, resume=st.booleans())
def test_weights_and_checkpoints(images: Path, trained: Path, damage: Damage, resume: bool) -> None:
    data = ["--data", f"folder:{images}", "--model", "nets:plain"]
    with scratch() as folder:
        file = folder / "weights.pt"
        shutil.copy(trained / "model.pt", file)
        damaged(file, damage)
        with nothing_lost(folder):
            if resume:
                done = scaat("train", *data, *TRY[2:], "--weights", file, "--out", folder / "out")
            else:
                own = ["--normalisation", "imagenet", *MEASURE]
                done = scaat("evaluate", file, *data, *own, "--out", folder / "out")
            in_words(done)


@many
@given(name=st.sampled_from(["results.json", "per_image.npz", "examples.npz"]), damage=damages)
def test_results_files(trained: Path, name: str, damage: Damage) -> None:
    with scratch() as folder:
        results = folder / "results"
        shutil.copytree(trained / "measured", results)
        damaged(results / name, damage)
        with nothing_lost(results):
            in_words(scaat("report", results, "--out", folder / "report"))


def test_the_undamaged_originals_work(images: Path, trained: Path, tmp_path: Path) -> None:
    """Otherwise every property above could hold because of a mistake in the test."""
    data = ["--data", f"folder:{images}"]
    assert scaat("train", *data, *TRY, "--out", tmp_path / "a").status == 0
    photo = images / "left" / "1.png"
    assert scaat("explain", photo, "--run", trained, "--out", tmp_path / "b").status == 0
    own = [*data, "--model", "nets:plain", "--normalisation", "imagenet", *MEASURE]
    done = scaat("evaluate", trained / "model.pt", *own, "--out", tmp_path / "c")
    assert done.status == 0, done
    assert scaat("report", trained / "measured", "--out", tmp_path / "d").status == 0
    weights = ["--weights", trained / "model.pt"]
    assert scaat("train", *data, *TRY, *weights, "--out", tmp_path / "e").status == 0
