from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

# glibc's own account: how much of the tensor it mapped for it alone, and how much of it stays
# with the heap once the tensor is gone. Page faults would depend on what else the machine does.
PROGRAM = """
import ctypes, json, sys, torch
from scaat.hardware import keep_freed_memory

class Account(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd",
        "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

account = ctypes.CDLL(None).mallinfo2
account.restype = Account
if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = account()
tensor = torch.empty(2**24)
mapped = account().hblkhd - before.hblkhd
del tensor
print(json.dumps({"mapped": mapped, "kept": account().fordblks - before.fordblks}))
"""
TENSOR_BYTES = 4 * 2**24
HAS_ACCOUNT = platform.libc_ver()[0] == "glibc" and tuple(
    int(part) for part in platform.libc_ver()[1].split(".")[:2]
) >= (2, 33)


def account(argument: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, argument], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


@pytest.mark.skipif(not HAS_ACCOUNT, reason="glibc's mallinfo2 came with 2.33")
def test_a_freed_tensor_stays_with_the_process() -> None:
    default, keep = account("default"), account("keep")
    assert default["mapped"] >= TENSOR_BYTES
    assert default["kept"] < TENSOR_BYTES / 2
    assert keep["mapped"] <= 0
    # Not all of it: what was free before may have gone to other small blocks meanwhile.
    assert keep["kept"] > TENSOR_BYTES / 2
