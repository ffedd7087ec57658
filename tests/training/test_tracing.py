"""The trace of a pass, beside what torch's own tools find: they share no code with it."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode

from byline.training.tracing import trace_pass


class Net(nn.Module):
    """Convolutions, norms, matrices, attention, and what autograd keeps of each."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, padding=1)
        self.norm = nn.GroupNorm(4, 32)
        self.attention = nn.MultiheadAttention(32, 2, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x_BCHW):
        x_BLD = nn.functional.silu(self.norm(self.conv(x_BCHW))).flatten(2).transpose(1, 2)
        return self.out(self.attention(x_BLD, x_BLD, x_BLD, need_weights=False)[0]).square().mean()


def _trace(num_images, *, as_on_cuda=False):
    return trace_pass(Net, lambda: (torch.empty(num_images, 3, 16, 16),), num_images=num_images, as_on_cuda=as_on_cuda)


def test_bytes_are_those_of_torchs_memory_tracker():
    tracker = MemTracker()
    with FakeTensorMode():
        network, x_BCHW = Net(), torch.empty(8, 3, 16, 16)
        tracker.track_external(network)
        with tracker:
            network(x_BCHW).backward()
    (peak,) = tracker.get_tracker_snapshot("peak").values()
    weights = 4 * sum(weight.numel() for weight in Net().parameters())
    assert _trace(8).peak_with_gradients_bytes + weights == pytest.approx(peak["Total"], rel=0.02)


def test_work_is_that_of_real_tensors_in_torchs_counter_but_for_attention_which_it_does_not_know_on_cpus():
    with FlopCounterMode(display=False) as counter:
        Net()(torch.ones(8, 3, 16, 16)).backward()
    length, width, passes = 16 * 16, 32, 3
    attention = passes * 8 * 2 * 2 * length * length * width
    assert _trace(8).flops == counter.get_total_flops() + attention


def test_work_and_what_is_kept_grow_with_the_images_and_weights_do_not():
    one, many = _trace(1), _trace(64)
    assert many.flops == 64 * one.flops
    assert 60 * one.saved_bytes < many.saved_bytes <= 64 * one.saved_bytes
    assert many.num_parameters == one.num_parameters == sum(weight.numel() for weight in Net().parameters())
    assert many.num_in_matrices == 3 * 32 * 32 + 32 * 32 + 32


def test_nothing_is_allocated():
    trace = _trace(10**6)
    assert trace.peak_bytes > 10**11
