"""A local page: what models see in an image, and how predictions change as parts of it go."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import torch
import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from torch import Tensor, nn

from scaat.attribution import attributions
from scaat.data import to_float
from scaat.data.image_files import fit_picture, read_picture
from scaat.display.labels import attribution_name, method_name
from scaat.display.overlay import heat, photo
from scaat.display.style import marks
from scaat.display.text import printable
from scaat.errors import InputError
from scaat.explain import classify, explain
from scaat.explain.album import resizing
from scaat.functional import perturbation_curve, replaced_images

STYLE = Path(__file__).with_suffix(".css")
LOCAL = ("127.0.0.1", "localhost", "::1")
LARGEST = "50mb"  # of an uploaded file
STEPS = 20  # of a curve, from the whole image to none of it
AT_ONCE = 16  # images in a forward pass of a curve
METHODS = [(attribution_name(name), name) for name in attributions if name != "oracle"]
ORDERS = [("least relevant", "lerf"), ("most relevant", "morf")]
BASELINES = [
    ("random pixels", "random"),
    ("the image's mean colour", "mean"),
    ("the blurred image", "blur"),
    ("black", "zero"),
]
BLOCKS = [("single pixels", 1), *((f"{side} x {side} pixels", side) for side in (2, 4, 8))]
PART, BLEND = 20, 50  # per cent, at first; the style sheet starts with the same
INTRODUCTION = """# What does each model look at?
Bright pixels drive a model's prediction. Drag the slider to replace the least relevant part of the
image: where a map is faithful, the prediction stays. Replace the most relevant part, and it drops.
"""
# A custom property that the style sheet reads: no round trip to the server.
MOVE = "value => document.documentElement.style.setProperty('--{}', value / 100)"


@dataclass(frozen=True, eq=False)
class Model:
    """One model of the page."""

    title: str  # all are different
    network: nn.Module  # in evaluation mode; maps images in [0, 1] to logits


@dataclass(frozen=True, eq=False)
class Example:
    """A test image."""

    pixels: Tensor  # uint8 RGB (3, H, W)
    label: str  # the name of its class


@dataclass(frozen=True, eq=False)
class View:
    """What every model sees in one image, on the models' device."""

    image: Tensor  # float (1, 3, H, W) in [0, 1]
    maps: list[Tensor]  # (1, H, W), one for each model
    probabilities: list[Tensor]  # (K,), one for each model


@dataclass(frozen=True, eq=False)
class Explorer:
    """Answers what the page asks; knows nothing of the page."""

    models: Sequence[Model]  # one or more
    classes: Sequence[str]  # printable names, the same for all models
    image_size: tuple[int, int]  # height and width that the models take, in pixels
    examples: Sequence[Example]  # of that size
    device: torch.device  # of the models

    @cached_property
    def colours(self) -> list[str]:
        """The colour of each model: that of its method in the report, once."""
        names: list[str] = []
        for model in self.models:
            name = Path(model.title).name
            names.append(model.title if name in names else name)
        return [marks(names)[name][0] for name in names]

    def read(self, source: int | str) -> tuple[Tensor, str]:
        """Return an image's pixels, uint8 (3, H, W), and a sentence about it.

        ``source`` is the position of a test image, or the path of an uploaded file.
        """
        if isinstance(source, int):
            example = self.examples[source]
            return example.pixels, f"Test image {source + 1}, labelled {example.label}."
        path = Path(source)
        try:
            picture, pixels = read_picture(path)
        except InputError as error:  # which names the place where the server keeps the file
            raise InputError(str(error).replace(repr(str(path)), repr(path.name))) from error
        changes = [picture.conversion] if picture.conversion else []
        if picture.size != self.image_size:
            changes.append(f"resized {resizing(picture.size, self.image_size, 'crop')}")
        fitted = fit_picture(picture, pixels, self.image_size, "crop")
        return fitted, ", ".join([printable(path.name), *changes]) + "."

    def explain(self, pixels: Tensor, attribution: str) -> View:
        """Return every model's prediction for uint8 (3, H, W) and the map of its class."""
        image = to_float(pixels.to(self.device)).unsqueeze(0)
        maps, probabilities = [], []
        for model in self.models:
            try:
                explanation = explain(model.network, image, [attribution])
            except InputError as error:
                raise InputError(f"model {model.title!r}: {error}") from error
            maps.append(explanation.maps[attribution].float())
            probabilities.append(explanation.probabilities[0])
        return View(image, maps, probabilities)

    def show_maps(self, view: View) -> str:
        """Return the maps over the image and the predictions as HTML."""
        under = f'<img class="photo" src="{_picture(view.image[0])}" alt="">'
        tiles = []
        for k, probabilities in enumerate(view.probabilities):
            over = heat(view.maps[k][0].cpu().numpy())
            layers = f'{under}<img class="heat" src="{over}" alt="Saliency map">'
            tiles.append(self._tile(k, layers, probabilities, probabilities))
        return _grid(tiles)

    def show_replaced(
        self, view: View, fraction: float, order: str, baseline: str, region_size: int
    ) -> str:
        """Return the images without a part, by `replaced_images`, and the predictions as HTML."""
        options: dict[str, Any] = {"order": order, "baseline": baseline, "region_size": region_size}
        tiles = []
        for k, (model, saliency) in enumerate(zip(self.models, view.maps, strict=True)):
            image = replaced_images(view.image, saliency, fraction, **options)
            after = classify(model.network, image)[0]
            layer = f'<img src="{_picture(image[0])}" alt="The image without a part">'
            tiles.append(self._tile(k, layer, view.probabilities[k], after))
        return _grid(tiles)

    def show_curves(self, view: View, order: str, baseline: str, region_size: int) -> str:
        """Return curves of each model's probability of its class at 0, 1/20, ... 1 of the image.

        The style sheet moves a line to the slider's place.
        """
        options: dict[str, Any] = {"orders": (order,), "fraction": 1.0, "repeats": 1}
        options |= {"baseline": baseline, "region_size": region_size}
        options |= {"steps": STEPS, "batch_size": AT_ONCE}
        lines, keys = "", ""
        for k, (model, colour) in enumerate(zip(self.models, self.colours, strict=True)):
            decays = perturbation_curve(model.network, view.image, view.maps[k], **options)
            start = float(view.probabilities[k].max())
            curve = [start, *(start - decays[order][0]).tolist()]
            points = " ".join(
                f"{100 * x / STEPS:g},{100 - 100 * y:.2f}" for x, y in enumerate(curve)
            )
            lines += f'<polyline points="{points}" stroke="{colour}"/>'
            keys += f'<li style="--colour: {colour}">{escape(method_name(model.title))}</li>'
        (name,) = (text for text, key in ORDERS if key == order)
        return (
            '<figure class="curves"><figcaption>Probability of the class predicted for the whole '
            f"image, as its {name} part is replaced</figcaption><ul>{keys}</ul>"
            '<div class="plot"><div class="scale"><span>1</span><span>0</span></div>'
            '<div class="area"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
            f'aria-label="One curve for each model">{lines}</svg><i></i></div>'
            '<div class="percent"><span>0 %</span><span>50 %</span><span>100 %</span></div></div>'
            "</figure>"
        )

    def _tile(self, k: int, layers: str, before: Tensor, after: Tensor) -> str:
        """Return a model's picture, with the probability of what it predicts for the whole."""
        first, now = int(before.argmax()), int(after.argmax())
        said = f"<b>{escape(self.classes[first])}</b> {float(after[first]):.2f}"
        if now != first:
            other = f"{escape(self.classes[now])} {float(after[now]):.2f}"
            said += f'<span class="changed">now {other}</span>'
        return (
            f'<div class="tile" style="--colour: {self.colours[k]}">'
            f'<h3>{escape(method_name(self.models[k].title))}</h3><div class="stage">{layers}</div>'
            f'<div class="bar"><i style="width: {100 * float(after[first]):.1f}%"></i></div>'
            f"<p>{said}</p></div>"
        )


def _picture(image: Tensor) -> str:
    """Return an image, float (3, H, W) in [0, 1], as the data address of a PNG."""
    return photo((image * 255).round().byte().cpu().numpy())


def _grid(tiles: Sequence[str]) -> str:
    return f'<div class="tiles" style="--tiles: {len(tiles)}">{"".join(tiles)}</div>'


def build_page(explorer: Explorer) -> gr.Blocks:
    """Return the page; whoever opens it has an image and settings of their own."""

    def explained(source: int | str | None, attribution: str) -> tuple[View | None, str, str]:
        if source is None:
            return None, "<p>Upload an image.</p>", ""
        try:
            pixels, sentence = explorer.read(source)
            view = explorer.explain(pixels, attribution)
        except InputError as error:
            return None, f'<p class="fault" role="alert">{escape(printable(str(error)))}</p>', ""
        return view, f"<p>{escape(sentence)}</p>", explorer.show_maps(view)

    def replaced(view: View | None, percent: float, *part: Any) -> str:
        return "" if view is None else explorer.show_replaced(view, percent / 100, *part)

    def drawn(view: View | None, *part: Any) -> str:
        return "" if view is None else explorer.show_curves(view, *part)

    def picked(event: gr.SelectData) -> int:
        return int(event.index)

    blocks = [(text, side) for text, side in BLOCKS if side <= min(explorer.image_size)]
    thumbs = [(e.pixels.permute(1, 2, 0).numpy(), e.label) for e in explorer.examples]
    # One at a time: the models are shared. Nothing is offered as an API.
    event: dict[str, Any] = {"concurrency_id": "models", "concurrency_limit": 1}
    event["api_visibility"] = "private"
    page = gr.Blocks(analytics_enabled=False, title="scaat", fill_width=True)
    with page:
        source, view = gr.State(0 if thumbs else None), gr.State()
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                if thumbs:
                    thumbnails = gr.Gallery(
                        thumbs, label="Test images", elem_id="examples", format="png",
                        allow_preview=False, interactive=False, buttons=[],
                    )  # fmt: skip
                upload = gr.File(label="Your own image", height=150, elem_id="upload")
                method = gr.Dropdown(METHODS, value="gradient", label="Saliency method")
                baseline = gr.Dropdown(BASELINES, value="random", label="Replaced by")
                size = gr.Dropdown(blocks, value=1, label="Replaced in blocks of")
            with gr.Column(scale=4, min_width=320):
                with gr.Row():
                    with gr.Column(scale=1, min_width=240):
                        notice = gr.HTML(elem_id="notice")
                        blend = gr.Slider(0, 100, BLEND, step=1, label="Image to map, %")
                    with gr.Column(scale=3, min_width=320):
                        maps = gr.HTML(elem_id="maps")
                with gr.Row():
                    with gr.Column(scale=1, min_width=240):
                        fraction = gr.Slider(0, 100, PART, step=1, label="Replaced part, %")
                        order = gr.Radio(ORDERS, value="lerf", label="Which part")
                    with gr.Column(scale=3, min_width=320):
                        images = gr.HTML(elem_id="replaced")
                curves = gr.HTML(elem_id="curves")

        part: list[Any] = [order, baseline, size]
        # Emptied, so that the next file can be dropped; the notice has the name.
        uploaded = upload.upload(
            lambda path: (path, None), upload, [source, upload], api_visibility="private"
        )
        listeners: list[Any] = [page.load, method.input, uploaded.then]
        if thumbs:
            listeners.append(thumbnails.select(picked, None, source, api_visibility="private").then)
        for listen in listeners:
            listen(explained, [source, method], [view, notice, maps], **event).then(
                replaced, [view, fraction, *part], images, **event
            ).then(drawn, [view, *part], curves, **event)
        for setting in part:
            setting.input(replaced, [view, fraction, *part], images, **event).then(
                drawn, [view, *part], curves, **event
            )
        fraction.change(
            replaced, [view, fraction, *part], images,
            trigger_mode="always_last", show_progress="hidden", **event,
        )  # fmt: skip
        fraction.change(None, fraction, None, js=MOVE.format("replaced"))
        blend.change(None, blend, None, js=MOVE.format("blend"))
    return page


def serve(explorer: Explorer, host: str, port: int, opened: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C; uploaded files are removed with it.

    Unless the host is one of `LOCAL`, other machines can open the page. Port 0 is any that is free.
    ``opened`` is called with the page's address when it can be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else error
        raise InputError(
            f"the page cannot be served at host {host!r}, port {port} ({reason}); expected an "
            "address of this machine and a free port: set --host or --port"
        ) from error
    with listener, tempfile.TemporaryDirectory(prefix="scaat-app-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        if host in LOCAL:  # other names of this address would let foreign pages read this one
            server.add_middleware(TrustedHostMiddleware, allowed_hosts=["[::1]", *LOCAL])
        theme = gr.themes.Default(
            primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"]
        )
        gr.mount_gradio_app(
            server, build_page(explorer), "/",
            css_paths=STYLE, theme=theme, footer_links=[], run_history=False, show_error=False,
            max_file_size=LARGEST, ssr_mode=False, mcp_server=False, pwa=False,
            enable_monitoring=False,
        )  # fmt: skip
        name = f"[{host}]" if ":" in host else host
        # Open pages keep connections, whose end uvicorn would report as errors.
        config = uvicorn.Config(server, log_level="critical", timeout_graceful_shutdown=1)
        with suppress(KeyboardInterrupt):  # which uvicorn raises when it has stopped
            opened(f"http://{name}:{listener.getsockname()[1]}")
            uvicorn.Server(config).run(sockets=[listener])
