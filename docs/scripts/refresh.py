"""Run pages and notebooks at full size and put what they printed and drew into them.

``python docs/scripts/refresh.py docs/tutorial/index.md`` takes minutes; ``make docs-pictures``
runs it on everything that has pictures of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from base64 import b64decode, b64encode
from contextlib import chdir
from io import BytesIO
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from docs.scripts.pages import PICTURE, run

WIDEST = 1200
COLOURS = 96


def refresh(page: Path) -> None:
    """Run a page in an empty folder, then rewrite its printed blocks and its pictures."""
    text = page.read_text()
    edits, before = [], ""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for block, printed in run(text, small=False):
            if block.note == "printed":
                edits.append((block.span, before))
            elif printed:
                before = "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())
        for found in PICTURE.finditer(text):
            kept = page.parent / found["kept"]
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(small(Image.open(found["made"])))
    for (start, end), printed in reversed(edits):
        text = text[:start] + printed + text[end:]
    page.write_text(text)


def refresh_notebook(path: Path) -> None:
    """Run a notebook and store its outputs, without the times and the counts of its cells."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, record_timing=False, coalesce_streams=True).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                output.pop("execution_count", None)
                drawn = output.get("data", {})
                if "image/png" in drawn:
                    picture = Image.open(BytesIO(b64decode(drawn["image/png"])))
                    drawn["image/png"] = b64encode(small(picture)).decode()
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    nbformat.write(notebook, path)


def small(picture: Image.Image) -> bytes:
    """Return a picture as a small PNG file: no wider than a page, with a palette."""
    picture = picture.convert("RGB")
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    file = BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    os.environ["COLUMNS"] = "80"
    for argument in sys.argv[1:]:
        path = Path(argument).resolve()
        (refresh_notebook if path.suffix == ".ipynb" else refresh)(path)
