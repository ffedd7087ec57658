"""How a network is computed, without changing what it computes beyond rounding."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from byline.catalog.errors import ConfigError
from byline.training.run_tables import Attention

BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}


@contextmanager
def attention_by(name: Attention) -> Iterator[None]:
    """Compute attention inside the block by this kernel where it can, else by another."""
    if name == "auto":
        yield
        return
    first = BACKENDS[name]
    others = [backend for backend in BACKENDS.values() if backend != first]
    with sdpa_kernel([first, *others], set_priority=True):
        yield


def checkpoint_activations(network: nn.Module) -> None:
    """Let models of diffusers and transformers in the network hold few activations, and compute them again."""
    for module in network.children():
        for name in ("enable_gradient_checkpointing", "activation_checkpointing_enable"):
            enable: Any = getattr(module, name, None)
            if enable is not None:
                enable()


def require_compiler() -> None:
    """Raise `ConfigError` when what `torch.compile` writes could not be compiled here."""
    compilers = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    if not any(shutil.which(name) for name in compilers if name):
        raise ConfigError(
            "machine.compile needs a C++ compiler, and neither c++, g++ nor clang++ is on PATH; "
            "install one, set CXX, or leave machine.compile out"
        )
