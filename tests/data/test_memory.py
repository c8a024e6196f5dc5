from __future__ import annotations

import os

import pytest

from scaat.data.memory import require_memory
from scaat.errors import InputError
from scaat.hardware import available_memory


def test_available_is_within_the_machine_s_memory() -> None:
    available = available_memory()
    assert available is not None
    assert 0 < available <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_refuses_only_what_does_not_fit() -> None:
    require_memory(1, "one byte")
    with pytest.raises(InputError, match=r"everything need 1073741824\.0 GiB of memory"):
        require_memory(2**60, "everything")
