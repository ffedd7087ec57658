"""Real ranks on gloo, forked from one process that has imported what they need."""

import multiprocessing
import os
import pickle
import tempfile
import traceback
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import FileStore, PrefixStore  # type: ignore[attr-defined]

from byline.training.ranks import Ranks

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.training.gloo_imports"])


def on_ranks(size: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Return what `function(ranks, *arguments)` returned on each rank. A rank that fails fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        pipes, processes = [], []
        for rank in range(size):
            ours, theirs = _SERVER.Pipe(duplex=False)
            call = (theirs, f"{folder}/store", rank, size, function, arguments)
            process = _SERVER.Process(target=_be_rank, args=call)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        answers = [_answer(pipe) for pipe in pipes]
        for process in processes:
            process.join()
    for rank, (returned, error) in enumerate(answers):
        assert error is None, f"rank {rank}: {error}"
        assert returned is not None
    return [returned for returned, _ in answers]


def mean_gradients(network: nn.Module, ranks: Ranks) -> dict[str, Tensor]:
    """Return the gradient of each weight, averaged over ranks as data parallelism does."""
    found = {}
    for name, weight in network.named_parameters():
        assert weight.grad is not None
        dist.all_reduce(weight.grad)
        found[name] = weight.grad / ranks.size
    return found


def _answer(pipe: Any) -> tuple[Any, str | None]:
    try:
        answer: tuple[Any, str | None] = pickle.loads(pipe.recv_bytes())
    except EOFError:
        return None, "ended without an answer"
    return answer


def _be_rank(pipe: Any, store: str, rank: int, size: int, function: Callable[..., Any], arguments: Any) -> None:
    os.environ["LOCAL_RANK"] = str(rank)
    torch.set_num_threads(1)
    meeting = FileStore(store, size)
    dist.init_process_group("gloo", store=PrefixStore("group", meeting), rank=rank, world_size=size)
    try:
        ranks = Ranks(rank=rank, size=size, device=torch.device("cpu"), store=PrefixStore("byline", meeting))
        answer = function(ranks, *arguments), None
        pipe.send_bytes(pickle.dumps(answer))  # by value: tensors that are shared end with their process
    except Exception:
        pipe.send_bytes(pickle.dumps((None, traceback.format_exc())))
