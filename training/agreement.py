"""All ranks agree on what they train, or none trains: a difference is one line that names rank and value.

Ranks that do not share a folder, or that were started with different files, would otherwise train on, and their average
would be of different things. What they say to each other is JSON, through `Ranks`.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from byline.catalog.digests import canonical_json
from byline.catalog.errors import BylineError
from byline.training.ranks import Ranks

ADVICE = {
    "images_seen": "name a run folder that all ranks see, or a URL",
    "checkpoint": "name a run folder that all ranks see, or a URL",
    "release": "give all nodes the same release",
    "provenance": "give all nodes the same models",
    "weights": "a rank computes otherwise: look at its memory and its software, and go on from the last checkpoint",
    "byline": "install one version of byline on all nodes",
    "torch": "install one version of torch on all nodes",
}
"""What differs -> what to do; of anything else: give all nodes the same config."""
MAX_SHOWN = 3
CHUNK = 1 << 17
"""Values of a tensor that are summed at once: few enough for the cache of a core."""
ODD = 0x1E3779B97F4A7C15
"""An odd number, so that no power of two is lost by it; twice it plus one and so on are the weights of a chunk."""


def agree(ranks: Ranks, facts: Callable[[], Mapping[str, Any]]) -> None:
    """Return when `facts()` is equal on all ranks, and raises on none.

    Otherwise the first rank prints one line, and every rank, when all have heard of it, raises `SystemExit(2)`.
    """
    try:
        answer = canonical_json({"facts": facts()})
    except BylineError as error:
        if ranks.size == 1:
            raise
        answer = canonical_json({"error": str(error)})
    problem = ranks.tell(_problem(ranks.gather(answer)).encode()).decode()
    if not problem:
        return
    if ranks.is_first:
        print(f"byline: {problem}", file=sys.stderr, flush=True)
    ranks.gather(b"")  # the first rank may hold the store: it leaves last
    raise SystemExit(2)


def _problem(answers: list[bytes]) -> str:
    """Return what one line says of the first rank that failed, or that differs from rank 0; nothing if none does."""
    if len(set(answers)) <= 1 and not any("error" in json.loads(answer) for answer in answers[:1]):
        return ""
    heard = [json.loads(answer) for answer in answers]
    for rank, message in enumerate(heard):
        if "error" in message:
            return f"rank {rank}: {message['error']}"
    first = _flat(heard[0]["facts"])
    for rank, message in enumerate(heard):
        other = _flat(message["facts"])
        keys = [key for key in {**first, **other} if first.get(key) != other.get(key)]
        if keys:
            return _told(rank, keys, first, other)
    return ""


def _told(rank: int, keys: list[str], first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    shown = [f"{key} is {_short(other.get(key))} on rank {rank}, {_short(first.get(key))} on rank 0" for key in keys]
    if "images_seen" in keys:
        shown = [f"rank {rank} has seen {other['images_seen']} images, rank 0 {first['images_seen']}"]
    more = f"; and {len(shown) - MAX_SHOWN} more" if len(shown) > MAX_SHOWN else ""
    advice = next((text for what, text in ADVICE.items() if any(key.split(".")[0] == what for key in keys)), None)
    return f"ranks differ: {'; '.join(shown[:MAX_SHOWN])}{more}; {advice or 'give all nodes the same config'}"


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, in their order: `{"config": {"seed": 0}}` as `{"config.seed": 0}`."""
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}{key}.") if isinstance(inner, dict) else {f"{prefix}{key}": inner}
    return flat


def _short(value: Any) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:16]}..."


def fingerprint(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Return a word that differs when one bit of the tensors, a name, a type or a shape does.

    Their bits are summed where they lie, as integers with odd weights: exact in any order, as fast as memory, with no
    copy to the host. It is against damage, not against people.
    """
    digest = hashlib.sha256()
    sums: list[Tensor] = []
    weights = torch.empty(0, dtype=torch.int64)
    for name, tensor in tensors:
        if weights.device != tensor.device or not len(weights):
            weights = torch.arange(CHUNK, device=tensor.device) * (2 * ODD) + 1
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sums.append(_sum_of_bits(tensor.detach(), weights))
    if sums:
        digest.update(torch.stack(sums).cpu().numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def _sum_of_bits(tensor: Tensor, weights: Tensor) -> Tensor:
    kinds = {1: torch.uint8, 2: torch.int16}
    bits = tensor.contiguous().flatten().view(kinds.get(tensor.element_size(), torch.int32))
    total = torch.zeros((), dtype=torch.int64, device=tensor.device)
    for chunk in torch.split(bits, CHUNK):
        total = total * ODD + (weights[: len(chunk)] * chunk).sum()
    return total
