"""What one pass of a network computes and keeps in memory, found without computing it: shapes only, on any machine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry, sdpa_flop_count
from torch.utils.weak import WeakIdKeyDictionary

from byline.training.optimizers import matrices_of

NORMS = (nn.GroupNorm, nn.LayerNorm)
"""What CUDA computes in float32 under autocast, and a CPU does not."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One forward and backward pass over `num_images`. Bytes are those of tensors; what an allocator adds is not in."""

    num_images: int
    num_parameters: int
    num_in_matrices: int
    """How many of them Muon moves."""
    num_buffers: int
    """Elements of what is kept beside the weights and not trained."""
    flops: int
    """Operations of matrix products and convolutions, an addition being one of two; recomputation counts."""
    saved_bytes: int
    """Kept from the forward pass for the backward pass."""
    peak_bytes: int
    """The most that lived at once beside weights, buffers and gradients of weights."""
    peak_with_gradients_bytes: int
    """The same, with the gradients of weights as they come, from none."""


def trace_pass(
    build: Callable[[], nn.Module],
    inputs: Callable[[], tuple[Tensor, ...]],
    *,
    num_images: int,
    as_on_cuda: bool,
) -> Trace:
    """Trace `build()(*inputs())`, a scalar, and its backward pass. Nothing is allocated.

    `as_on_cuda` takes CUDA's rules for what autocast leaves in float32. Attention never keeps its square matrix, as
    with every kernel that trains well.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        network = build()
        if as_on_cuda:
            _normalize_in_float32(network)
        memory = _Watch(network)
        given = inputs()
        with memory:
            loss = network(*given)
            saved_bytes = memory.live_bytes
            loss.backward()
    return Trace(
        num_images=num_images,
        num_parameters=sum(weight.numel() for weight in network.parameters()),
        num_in_matrices=sum(weight.numel() for weight in matrices_of(network)),
        num_buffers=sum(buffer.numel() for buffer in network.buffers()),
        flops=memory.flops,
        saved_bytes=saved_bytes,
        peak_bytes=memory.peak_bytes,
        peak_with_gradients_bytes=memory.peak_with_gradients_bytes,
    )


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what operations compute, and the bytes of what they made that are still there; gradients apart."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.live_bytes = self.peak_bytes = self.peak_with_gradients_bytes = self._gradient_bytes = 0
        self._known = WeakIdKeyDictionary()
        for tensor in (*network.parameters(), *network.buffers()):
            self._known[tensor.untyped_storage()] = None
        for weight in network.parameters():
            weight.register_post_accumulate_grad_hook(self._let_go)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and look at what it gave."""
        given = func(*args, **kwargs or {})
        count = _FLOPS.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **kwargs or {}, out_val=given)
        for tensor in tree_iter(given):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage())
        return given

    def _see(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        num_bytes = storage.nbytes()
        self._known[storage] = _Gone(self, num_bytes)
        self.live_bytes += num_bytes
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        together = self.live_bytes + self._gradient_bytes
        self.peak_with_gradients_bytes = max(self.peak_with_gradients_bytes, together)

    def _let_go(self, weight: Tensor) -> None:
        assert weight.grad is not None
        self._gradient_bytes += weight.grad.untyped_storage().nbytes()
        weight.grad = None


class _Gone:
    """Subtracts the bytes of a storage when that is gone, for it is kept by nothing but the storage's entry."""

    def __init__(self, memory: _Watch, num_bytes: int) -> None:
        self._memory, self._num_bytes = memory, num_bytes

    def __del__(self) -> None:
        self._memory.live_bytes -= self._num_bytes


def _normalize_in_float32(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, NORMS):
            module.register_forward_pre_hook(lambda _, given: (given[0].float(), *given[1:]))


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))  # type: ignore[no-untyped-call]


def _attention_backward(_: Tensor, query: Tensor, key: Tensor, value: Tensor, *__: Any, **___: Any) -> int:
    return 2 * _attention(query, key, value)


_OPS = torch.ops.aten
_FLOPS = {
    **flop_registry,
    _OPS._scaled_dot_product_flash_attention_for_cpu: _attention,
    _OPS._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""Torch's own counts, and of what it does not know: the backward pass is twice the forward, whatever a kernel computes
anew."""
