"""Hypothesis strategies for damaged files and wrong settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Damage = Callable[[bytes], bytes]


def cut(content: bytes, share: float) -> bytes:
    """Keep the first ``share`` of a file."""
    return content[: int(len(content) * share)]


def flip(content: bytes, places: list[tuple[float, int]]) -> bytes:
    """Change bits at some shares of a file's length."""
    changed = bytearray(content)
    for share, bits in places:
        if changed:
            changed[int(share * (len(changed) - 1))] ^= bits
    return bytes(changed)


def overwrite(content: bytes, share: float, patch: bytes) -> bytes:
    """Put other bytes over a file from some share of its length on."""
    start = int(len(content) * share)
    return content[:start] + patch + content[start + len(patch) :]


SHARES = st.floats(0, 1, exclude_max=True)
BITS = st.integers(1, 255)

damages: st.SearchStrategy[Damage] = st.one_of(
    SHARES.map(lambda share: lambda content: cut(content, share)),
    st.lists(st.tuples(SHARES, BITS), min_size=1, max_size=8).map(
        lambda places: lambda content: flip(content, places)
    ),
    # The beginning of a file is where its magic number and sizes stand.
    st.lists(st.tuples(st.floats(0, 0.02), BITS), min_size=1, max_size=4).map(
        lambda places: lambda content: flip(content, places)
    ),
    st.tuples(SHARES, st.binary(min_size=1, max_size=64)).map(
        lambda pair: lambda content: overwrite(content, *pair)
    ),
    st.binary(max_size=64).map(lambda other: lambda content: other),
)
"""What may happen to a file: cut short, bits flipped, overwritten, replaced."""

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
"""Values of every type that a YAML file can hold."""
