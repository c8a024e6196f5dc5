"""MkDocs hook: what lies beside docs/ and belongs to the site, and links that lead there.

The pages' links are written for the repository, where readers follow them too. Here the results
and CONTRIBUTING.md become files of the site, at the same paths, and links to and from them lead
to those.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
BESIDE = tuple(
    name
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "results", "examples")
    if (ROOT / name).exists()
)
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files beside docs/, and a list of each folder's that a page links to."""
    for name in BESIDE:
        path = ROOT / name
        for found in [path] if path.is_file() else _files(path):
            if found.suffix == ".html":  # a page of its own, which links to the results' pages
                content = found.read_text(encoding="utf-8").replace("README.md", "index.html")
                files.append(_file(config, found, content=content))
            else:
                files.append(_file(config, found, abs_src_path=str(found)))
    for folder in sorted(_linked_folders(files)):
        if not (folder / "README.md").exists():
            files.append(_file(config, folder / "index.md", content=_list(folder)))
    return files


def _file(config: MkDocsConfig, path: Path, **content: str) -> File:
    uri = path.relative_to(ROOT).as_posix()
    return File.generated(config, uri, inclusion=InclusionLevel.NOT_IN_NAV, **content)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _linked_folders(files: Files) -> set[Path]:
    """Find the folders beside docs/ that some page leads to."""
    pages = [Path(file.abs_src_path) for file in files if file.src_uri.endswith(".md")]
    targets = {
        Path(normpath(page.parent / target))
        for page in pages
        for target in LINK.findall(page.read_text())
    }
    return {
        target
        for target in targets
        if target.is_dir() and any(target.is_relative_to(ROOT / name) for name in BESIDE)
    }


def _list(folder: Path) -> str:
    names = [path.relative_to(folder).as_posix() for path in _files(folder)]
    lines = [f"- [{name}]({name})" for name in names]
    return "\n".join([f"# {folder.relative_to(ROOT).as_posix()}", "", *lines, ""])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between docs/ and the files beside it into links within the site."""
    place = page.file.src_uri
    in_docs = not place.startswith(BESIDE)
    here = dirname(f"docs/{place}" if in_docs else place)

    def within_site(found: re.Match[str]) -> str:
        path, hash_, anchor = found[0].partition("#")
        target = normpath(join(here, path))
        if in_docs and target.startswith("docs/"):
            return found[0]
        if (ROOT / target).is_dir():
            target += "/README.md" if (ROOT / target / "README.md").exists() else "/index.md"
        return relpath(target.removeprefix("docs/"), dirname(place) or ".") + hash_ + anchor

    return LINK.sub(within_site, markdown)
