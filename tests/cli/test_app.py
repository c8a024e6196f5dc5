"""``scaat app``: what it refuses, and the page in a real browser."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from tests.browser import Watch, chromium, needs_chromium
from torch import Tensor

from scaat.attribution import attributions
from scaat.cli.models import ModelSource, run_source
from scaat.data import DataOptions, load_data
from scaat.errors import InputError
from scaat.explain import explain
from scaat.functional import replaced_images
from scaat.models import build_model
from scaat.sharing import SharedModel, save_shared

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from scaat.app import Explorer

pytest.importorskip("gradio")

Run = Callable[..., tuple[int, str]]
TESTS = Path(__file__).parents[1]
CLASSES = ("<img src=x onerror=alert(1)>", "${alert(2)} {{right}}")
PART, OTHER = "#replaced", "input[type=range]"


def shared(folder: Path, classes: tuple[str, ...] = ("a", "b"), size: int = 12) -> Path:
    """Write an untrained model."""
    architecture = {"name": "nets:tiny", "num_classes": len(classes), "image_size": (size, size)}
    architecture |= {"mean": None, "std": None}
    save_shared(SharedModel(build_model(**architecture), architecture, classes), folder)
    return folder


def test_a_folder_without_a_run_is_refused(tmp_path: Path, scaat: Run) -> None:
    status, said = scaat("app", tmp_path)
    assert status == 2
    assert "expected the folder of a run" in said or "expected a finished run" in said


@pytest.mark.parametrize(
    ("classes", "size", "message"),
    [
        (("a", "c"), 12, "different classes, ('a', 'b') and ('a', 'c')"),
        (("a", "b"), 16, "different image sizes, (12, 12) and (16, 16)"),
    ],
)
def test_models_of_another_task_are_refused(
    classes: tuple[str, ...], size: int, message: str, tmp_path: Path, scaat: Run
) -> None:
    first, second = shared(tmp_path / "first"), shared(tmp_path / "second", classes, size)
    status, said = scaat("app", first, second)
    assert status == 2
    assert message in said
    assert "'first' and 'second'" in said


def test_a_model_of_grey_images_has_the_maps_of_grey_images(
    tmp_path: Path, scaat: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[Explorer] = []
    monkeypatch.setattr("scaat.cli.app.serve", lambda explorer, *_: pages.append(explorer))
    architecture = {"name": "nets:any_channels", "num_classes": 2, "image_size": (12, 12)}
    architecture |= {"mean": None, "std": None, "channels": 1}
    model = build_model(**architecture).eval()
    save_shared(SharedModel(model, architecture, ("a", "b")), tmp_path / "grey")
    status, said = scaat("app", tmp_path / "grey")
    assert status == 0, said
    pixels = torch.arange(144, dtype=torch.uint8).view(1, 12, 12)
    actual = pages[0].explain(pixels.expand(3, -1, -1), "gradient").maps[0]
    expected = explain(model, pixels[None] / 255).maps["gradient"]
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-5, atol=1e-6)


def test_a_model_given_twice_is_refused(tmp_path: Path, scaat: Run) -> None:
    folder = shared(tmp_path / "one")
    assert scaat("app", folder, folder) == (
        2, "error: a model is given twice; expected each once\n",
    )  # fmt: skip


def test_a_port_that_is_taken_is_refused(tmp_path: Path, scaat: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = scaat("app", shared(tmp_path / "one"), "--port", port)
    assert status == 2
    assert f"port {port} (Address already in use)" in said
    assert said.count("\n") <= 2  # the note on test images, and the error


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, scaat: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("scaat.app", "scaat.cli.app"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "gradio", None)
    status, said = scaat("app", tmp_path)
    assert status == 2
    assert said == (
        "error: gradio is not installed: scaat app needs the extra 'app' "
        "(pip install 'scaat[app]')\n"
    )


def explorer(*titles: str) -> Explorer:
    from scaat.app import Explorer, Model

    models = [Model(title, torch.nn.Identity()) for title in titles]
    return Explorer(models, ("a", "b"), (12, 12), [], torch.device("cpu"))


def test_two_models_of_a_method_have_different_colours() -> None:
    colours = explorer("standard", "one/scaat", "two/scaat").colours
    assert len(set(colours)) == 3
    assert colours[:2] == explorer("standard", "scaat").colours


def test_a_refusal_does_not_name_the_servers_places(tmp_path: Path) -> None:
    """Not of a name that a message quotes with escapes, like a screenshot's."""
    place = tmp_path / "Screenshot at 3.04\u202fPM.png"
    place.write_text("no image")
    with pytest.raises(InputError, match=r"^image 'Screenshot at"):
        explorer("scaat").read(str(place))


def draw(path: Path, seed: int, size: tuple[int, int] = (12, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of one data set, and one of another with the same classes."""
    folder = tmp_path_factory.mktemp("app")
    for place in ("data", "elsewhere"):
        for number in range(40):
            draw(folder / place / CLASSES[number % 2] / f"{number}.png", number)
    with pytest.MonkeyPatch.context() as patch:
        for name, method, place in (
            ("standard", "standard", "data"),
            ("scaat", "scaat", "data"),
            ("other", "standard", "elsewhere"),
        ):
            options = f"--method {method} --model nets:tiny --epochs 1 --batch-size 16 "
            options += "--precision 32 --scaat.weight 5 --scaat.search-interval 1"
            data = ["--data", f"folder:{folder / place}", "--out", str(folder / name)]
            patch.setattr(sys, "argv", ["scaat", "train", *data, *options.split()])
            from scaat.cli import main

            main()
    return folder


@pytest.mark.slow
def test_runs_of_other_data_are_refused(runs: Path, scaat: Run) -> None:
    status, said = scaat("app", runs / "standard", runs / "other")
    assert status == 2
    assert "trained on different data" in said
    assert f"{runs / 'data'}" in said


# Prints every address that the server looks up or connects to.
DRIVER = """
import sys
def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments[0]
        print("ADDRESS", address, file=sys.stderr, flush=True)
sys.addaudithook(note)
from scaat.cli import main
main()
"""


@dataclass
class Server:
    """A running page: its address, its port and where it keeps files and complaints."""

    address: str
    port: int
    temporary: Path
    process: subprocess.Popen[str]
    complaints: Path


@pytest.fixture(scope="module")
def server(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    temporary = tmp_path_factory.mktemp("temporary")
    complaints = temporary.with_suffix(".err")
    command = [sys.executable, "-c", DRIVER, "app", *(str(runs / n) for n in ("standard", "scaat"))]
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent / 'src'}"}
    environment |= {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    with complaints.open("w") as file:
        process = subprocess.Popen(
            [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=file, text=True,
            env=environment,
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Open http://127.0.0.1:"), complaints.read_text()
    address = line.split()[1]
    yield Server(address, int(address.rpartition(":")[2]), temporary, process, complaints)
    process.send_signal(signal.SIGINT)
    process.wait(300)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60_000)
    page.goto(server.address)
    page.wait_for_selector("#curves svg")
    yield page
    page.close()


def sources(runs: Path) -> list[ModelSource]:
    return [run_source(runs / name) for name in ("standard", "scaat")]


def test_image(runs: Path) -> Tensor:
    """The first test image, as the page shows it at first."""
    test = load_data(DataOptions(data=f"folder:{runs / 'data'}"), seed=0).test
    return test.pixels([0]) / 255


test_image.__test__ = False  # type: ignore[attr-defined]


def expected(source: ModelSource, image: Tensor, fraction: float, **options: str) -> str:
    """What the page says of the class predicted for the whole image, without a part of it."""
    with torch.no_grad():
        label = source.model(image).argmax(1)
        saliency = attributions["gradient"](source.model, image, label)
        part = replaced_images(image, saliency, fraction, **options)
        return f"{source.classes[int(label)]} {float(source.model(part).softmax(1)[0, label]):.2f}"


def wait_for(page: Page, place: str, texts: list[str]) -> None:
    """Wait until each model's tile begins with its text."""
    page.wait_for_function(
        """([place, texts]) => {
            const tiles = [...document.querySelectorAll(`${place} .tile p`)];
            return tiles.length == texts.length
                && tiles.every((tile, i) => tile.innerText.startsWith(texts[i]));
        }""",
        arg=[place, texts],
    )


@pytest.mark.slow
@needs_chromium
def test_shows_predictions_without_complaints_or_foreign_requests(
    browser: Browser, server: Server, runs: Path
) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    watch = Watch(page)
    page.goto(server.address)
    page.wait_for_selector("#curves svg")
    image = test_image(runs)
    wait_for(page, "#maps", [expected(source, image, 0) for source in sources(runs)])
    wait_for(page, "#replaced", [expected(source, image, 0.2) for source in sources(runs)])
    assert page.locator("#maps h3").all_inner_texts() == ["Standard", "SCAAT"]
    assert page.locator("#examples button[aria-label*='of 8']").count() == 8
    assert page.locator("#curves polyline").count() == 2
    assert watch.complaints == []
    local = (server.address, "data:", "blob:")
    assert [url for url in watch.requests if not url.startswith(local)] == []
    looked_up = [line for line in server.complaints.read_text().splitlines() if "ADDRESS" in line]
    assert [line for line in looked_up if "127.0.0.1" not in line] == []
    page.close()


@pytest.mark.slow
@needs_chromium
def test_the_slider_replaces_a_part_of_the_image(page: Page, runs: Path) -> None:
    image = test_image(runs)
    blend, fraction = page.locator(OTHER).all()
    fraction.fill("60")
    wait_for(page, "#replaced", [expected(source, image, 0.6) for source in sources(runs)])
    assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--replaced')") == "0.6"
    page.get_by_label("most relevant").check()
    wait_for(
        page, "#replaced", [expected(source, image, 0.6, order="morf") for source in sources(runs)]
    )
    page.wait_for_selector("#curves figcaption:has-text('most relevant')")
    blend.fill("100")
    page.wait_for_function("getComputedStyle(document.querySelector('.photo')).opacity == 0")
    assert page.evaluate("getComputedStyle(document.querySelector('.heat')).opacity") == "1"


@pytest.mark.slow
@needs_chromium
def test_another_method_and_another_test_image(page: Page, runs: Path) -> None:
    first = page.locator("#maps .heat").first.get_attribute("src")
    page.get_by_label("Saliency method").click()
    page.get_by_role("option", name="Integrated Gradients").click()
    page.wait_for_function(
        "first => document.querySelector('#maps .heat')?.getAttribute('src') != first", arg=first
    )
    page.get_by_label("Thumbnail 8 of 8").click()
    page.wait_for_selector("#notice:has-text('Test image 8, labelled')")
    test = load_data(DataOptions(data=f"folder:{runs / 'data'}"), seed=0).test
    image = test.pixels([7]) / 255
    wait_for(page, "#maps", [expected(source, image, 0) for source in sources(runs)])


@pytest.mark.slow
@needs_chromium
def test_an_uploaded_image_and_one_that_is_none(page: Page, runs: Path, tmp_path: Path) -> None:
    """Names are text on the page, and the server's places are not on it."""
    name = "<img src=x onerror=alert(3)>"
    page.set_input_files("#upload input[type=file]", draw(tmp_path / f"{name}.png", 99))
    page.wait_for_selector("#notice:has-text('onerror')")
    image = torch.from_numpy(np.array(Image.open(tmp_path / f"{name}.png"))).permute(2, 0, 1)
    wait_for(page, "#maps", [expected(s, image.unsqueeze(0) / 255, 0) for s in sources(runs)])
    assert page.locator("#notice img").count() == 0
    assert "tmp" not in page.locator("#notice").inner_text()

    (tmp_path / "notes.png").write_text("no image")
    page.set_input_files("#upload input[type=file]", tmp_path / "notes.png")
    fault = page.locator("#notice .fault")
    fault.wait_for()
    assert fault.inner_text().startswith("image 'notes.png'")
    page.wait_for_function("!document.querySelector('#maps .tile, #replaced .tile, #curves svg')")


@pytest.mark.slow
def test_serves_no_other_files_and_no_other_names(server: Server) -> None:
    def status(path: str, host: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status

    own = f"127.0.0.1:{server.port}"
    assert status("/", own) == 200
    assert status("/", "attacker.example") == 400
    for secret in ("/etc/hostname", __file__):
        assert status(f"/gradio_api/file={secret}", own) in (403, 404)


@pytest.mark.slow
def test_an_interrupt_ends_it_and_removes_uploads(server: Server) -> None:
    """The last test: the server is gone afterwards."""
    assert list(server.temporary.glob("scaat-app-*"))
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(300) == 0
    assert not list(server.temporary.glob("scaat-app-*"))
    assert "Traceback" not in server.complaints.read_text()
