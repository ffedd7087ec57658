"""A second network, which holds the averaged weights while something is looked at."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from byline.training.ema import WeightAverage
from byline.training.ranks import Ranks


class AveragedCopy:
    """A network without weights. Make it before the engine takes the network, whatever that splits over ranks."""

    def __init__(self, network: nn.Module, ranks: Ranks) -> None:
        """Take the shape of `network`, and its buffers. No memory is held for weights."""
        without = {id(weight): _none_of(weight) for weight in network.parameters()}
        self._network = copy.deepcopy(network, without).eval()
        self._empty = {name: weight.data for name, weight in self._network.named_parameters()}
        self._ranks = ranks

    @contextmanager
    def filled(self, average: WeightAverage) -> Iterator[nn.Module]:
        """Give the network with the averaged weights, whole on every rank; all ranks must enter, and none may train."""
        self._assign(self._shared(average.full()))
        try:
            yield self._network
        finally:
            self._assign(self._empty)

    def _shared(self, full: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what the first rank has of every weight."""
        tensors = {}
        for name, empty in self._empty.items():
            tensor = torch.empty(empty.shape, device=self._ranks.device)
            if self._ranks.is_first:
                tensor.copy_(full[name])
            dist.broadcast(tensor, src=0)
            tensors[name] = tensor
        return tensors

    def _assign(self, tensors: dict[str, Tensor]) -> None:
        self._network.load_state_dict(tensors, strict=False, assign=True)


def _none_of(weight: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(torch.empty_like(weight, device="meta"), requires_grad=False)
