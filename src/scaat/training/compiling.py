"""``torch.compile`` of the model that an objective runs several times a step."""

from __future__ import annotations

import os
import shutil

import torch
from torch import nn

from scaat.errors import InputError
from scaat.options.training import Compile
from scaat.passes import allow_variants


def check_compile(backend: Compile, accelerator: str) -> None:
    """Refuse a backend that cannot work on this machine.

    Raises:
        InputError: It needs a compiler that is not there.
    """
    gpu = accelerator != "cpu" and torch.cuda.is_available()
    compilers = (os.environ.get("CXX"), "g++", "clang++", "c++", "cl")
    if backend == "inductor" and not gpu and not any(map(shutil.which, filter(None, compilers))):
        raise InputError(
            "compile is 'inductor', which needs a C++ compiler on this machine's CPU, and none is "
            "found (g++, clang++ or CXX); expected none"
        )


def compile_model(model: nn.Module, backend: Compile) -> None:
    """Compile ``model`` in place; names of weights stay as they are."""
    allow_variants()
    model.compile(backend=backend)


def uncompile_model(model: nn.Module) -> None:
    """Undo `compile_model`, for which torch has no public way."""
    model._compiled_call_impl = None
