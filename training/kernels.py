"""How a network is computed, without changing what it computes beyond rounding."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import Precision
from byline.training.run_tables import Attention

BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}


@contextmanager
def attention_by(name: Attention, *, device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute attention inside the block by this kernel where it can, else by another.

    `auto` is torch's own choice, but for bf16 on a processor: backward its fused kernel (torch 2.13) is so much
    slower there than in float32 that a step of bf16 would lose what its other products gain.
    """
    if name == "auto" and (device.type, precision) == ("cpu", "bf16"):
        name = "math"
    if name == "auto":
        yield
        return
    others = [] if name == "math" else BACKENDS.values()  # math always can, and processors heed no order
    with sdpa_kernel([BACKENDS[name], *others], set_priority=True):
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
