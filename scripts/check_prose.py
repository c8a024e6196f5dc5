"""Check the prose of README, docs, results and of the sources' docstrings, comments and messages.

    python scripts/check_prose.py           # everything
    python scripts/check_prose.py FILE...   # these files

Prints ``file:line: what -> what to write instead`` and exits with 1 if anything is found.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
README_WORDS, SENTENCE_WORDS, LINE = 450, 18, 100
CHECKED = (
    "*.md",
    "docs/**/*.md",
    "docs/**/*.ipynb",
    "results/*.md",
    "results/*/README.md",
    "examples/*.py",
    "src/**/*.py",
)

WORDS = {
    r"rivals?": "baseline",
    r"(?<![\"])rel(?![\"])": "AOPC ratio",
    r"cheap(ly|er|est)?": "SCAAT-fast, or low-cost",
    r"(?<!least.)squares": "2 x 2 blocks, or blocks",
    r"(a|an|the|this|that|each|its|their|larger|smaller|same|one) shares?|shares? of": "fraction",
    r"(is|are|was|were|be) had": "is obtained, or reproduces",
    r"(go|goes|going|gone|went) on": "resume, or continue",
    r"bit (by|for) bit": "exactly",
    r"hang(s|ing)? on": "depends on",
    r"tells|(is|are|was) told": "reports, or is described",
    r"told apart": "no significant difference, or distinguished",
    r"(lies|lie|lay) at": "is at",
    r"stands(?! for)|stands? in": "is",
    r"(fall|falls|fell|fallen) apart": "diverges",
    r"(who|whoever) wants": "if you want",
    r"a prototype": "cite the result page, or drop it",
    r"taught not|not to mind": "becomes invariant",
    r"mends?|mended": "fix",
    r"anew": "again",
    r"undecided": "not significant",
    r"leaves? out 0": "excludes 0",
}
"""Regular expressions of whole words, whatever their case, and what to write instead."""

NAMES = {"found": "name the thing", "rivals": "baselines"}
"""Variables of the sources and what to call them instead."""

TERMS = [
    (re.compile(rf"\b({term})\b".replace(" ", r"\s+"), re.IGNORECASE), instead)
    for term, instead in WORDS.items()
]
CODE = re.compile(
    r"^(?P<fence>```+|~~~+).*?^(?P=fence)|<!--.*?-->|`[^`\n]+`|(?<=\])\([^)\s]*\)|https?:\S+",
    re.DOTALL | re.MULTILINE,
)
UNWRAPPED = re.compile(r"    |\s*[|<]|.*(\]\(|https?:)|.*(`, `[^`]+){3}")
"""Lines that may be long: code, tables, comments, links, lists of names."""
SENTENCE_END = re.compile(r"(?<!et al\.)(?<!e\.g\.)(?<!i\.e\.)(?<=[.!?])[\"')*]*\s+(?=[^a-z])")

Finding = tuple[int, str, str]


def main(paths: list[Path]) -> int:
    """Check these files, or all; return the exit status."""
    count = 0
    for path in paths or sorted({path for glob in CHECKED for path in ROOT.glob(glob)}):
        for line, problem, instead in sorted(check(path)):
            print(f"{os.path.relpath(path, ROOT)}:{line}: {problem} -> {instead}")
            count += 1
    return min(count, 1)


def check(path: Path) -> Iterator[Finding]:
    """Yield what is wrong with a file: its line, the problem, and what to write instead."""
    if path.suffix == ".py":
        yield from check_source(path)
        return
    text = path.read_text()
    if path.suffix == ".ipynb":
        cells = [cell["source"] for cell in json.loads(text)["cells"]]
        text = "\n\n".join("".join(source) for source in cells)
    prose = CODE.sub(lambda code: "CODE" + "\n" * code[0].count("\n"), text)
    yield from check_words(prose)
    if path.suffix == ".md":
        yield from check_lengths(path, text, prose)


def check_words(text: str, first: int = 1) -> Iterator[Finding]:
    """Yield the terms of the word list; ``first`` is the number of the text's first line."""
    for term, instead in TERMS:
        for match in term.finditer(text):
            yield first + text.count("\n", 0, match.start()), " ".join(match[0].split()), instead


def check_lengths(path: Path, text: str, prose: str) -> Iterator[Finding]:
    """Yield lines, sentences and a README that are too long."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        free = fenced or UNWRAPPED.match(line)
        if len(line) > LINE and not free:
            yield number, f"{len(line)} characters", f"at most {LINE}"
    lengths = [words(sentence) for sentence in sentences(prose)]
    if lengths and median(lengths) > SENTENCE_WORDS:
        yield 1, f"median sentence of {median(lengths):g} words", f"at most {SENTENCE_WORDS}"
    if path.resolve() == ROOT / "README.md" and words(prose) > README_WORDS:
        yield 1, f"{words(prose)} words", f"at most {README_WORDS}"


def sentences(prose: str) -> Iterator[str]:
    """Yield the sentences of paragraphs and lists, not of headings and tables."""
    for paragraph in re.split(r"\n\s*\n|\n\s*(?=(?:[-*]|\d+\.) )", prose):
        if not re.match(r"\s*([#|]|!\[|CODE\s*$)", paragraph):
            yield from (part for part in SENTENCE_END.split(paragraph) if words(part) > 2)


def words(text: str) -> int:
    """Count the words of a text."""
    return len(re.findall(r"[^\W_][^\s|]*", text))


def check_source(path: Path) -> Iterator[Finding]:
    """Yield terms of comments and of texts with a space, and names of variables."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            kind, line = tokenize.tok_name[token.type], token.start[0]
            if kind == "NAME" and token.string in NAMES:
                yield line, token.string, NAMES[token.string]
            elif kind in ("COMMENT", "FSTRING_MIDDLE") or (
                kind == "STRING" and " " in token.string
            ):
                plain = re.sub(r"``[^`]+``|`[^`]+`", lambda code: " " * len(code[0]), token.string)
                yield from check_words(plain, line)


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]]))
