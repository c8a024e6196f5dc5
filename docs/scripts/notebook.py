"""MkDocs hook: a notebook as a page, with the outputs that are stored in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page beside each notebook, which itself can be downloaded."""
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            page = file.src_uri.removesuffix(".ipynb") + ".md"
            assert file.abs_src_path is not None
            text = markdown_of(Path(file.abs_src_path))
            files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to a notebook to its page, from where it can be downloaded."""
    if f"{page.file.src_uri.removesuffix('.md')}.ipynb" in files.src_uris:
        return markdown
    return markdown.replace(".ipynb)", ".md)")


def markdown_of(path: Path) -> str:
    """Return a notebook's cells and outputs as Markdown, and a link to the notebook itself."""
    parts = [part for cell in json.loads(path.read_text())["cells"] for part in _parts(cell)]
    title, *rest = parts
    return "\n\n".join([title, f"[Download this notebook]({path.name})", *rest]) + "\n"


def _parts(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    return [f"```python\n{source}\n```", *map(_output, cell["outputs"])]


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        picture = "".join(data["image/png"]).replace("\n", "")
        return f"![What the cell draws](data:image/png;base64,{picture})"
    text = "".join(output.get("text") or data.get("text/plain", ""))
    return f"```text\n{text.rstrip()}\n```"
