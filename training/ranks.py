"""The processes of a run: how one joins the others, waits for them, and hears what the first one says.

What ranks say to each other here goes as bytes through the store by which they met, not through collectives: it needs
no accelerator, it waits as long as the others live, and it knows who is missing.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from threading import Event, Thread

import torch
import torch.distributed as dist
from torch.distributed import HashStore, PrefixStore, Store, TCPStore, rendezvous  # type: ignore[attr-defined]

from byline.catalog.errors import CheckpointError
from byline.training.launching import LISTENER, die_with_parent, is_launched, is_launched_by_us
from byline.training.meeting import meet

BEAT_S = 5.0
"""How often a rank shows that it lives, or ten times in the time that the others are patient."""
LONGEST_NAP_S = 0.1
"""Seconds between two looks for what another rank is to say."""


class LostRankError(CheckpointError):
    """Another rank has ended, and says itself why, if it could."""


class Heartbeat:
    """The thread that shows that a rank lives, from now until `stop`, whatever else its process does."""

    def __init__(self, store: Store, rank: int, *, every_s: float) -> None:
        self._store, self._key, self._every_s = store, _beat(rank), every_s
        self._stopped = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Show no life any longer."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        for beat in count():
            try:
                self._store.set(self._key, str(beat))
            except RuntimeError:  # the process that held the store is gone, which the main thread notices too
                return
            if self._stopped.wait(self._every_s):
                return


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """The place of this process among those of the run. Every rank calls every method, in the same order."""

    rank: int
    size: int
    device: torch.device
    store: Store = field(default_factory=HashStore, repr=False, compare=False)
    patience_s: float = 600
    """How long a rank may show no life before the others give it up. One that works is waited for."""
    heartbeat: Heartbeat | None = field(default=None, repr=False, compare=False)
    _turns: Iterator[int] = field(default_factory=count, repr=False, compare=False)

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def gather(self, message: bytes) -> list[bytes]:
        """Return, on the first rank, what every rank said, by rank; nothing on the others, which do not wait."""
        turn = next(self._turns)
        if not self.is_first:
            self.store.set(f"{turn}/{self.rank}", message)  # type: ignore[arg-type]  # bytes are taken too
            return []
        heard = [message]
        for rank in range(1, self.size):
            heard.append(self._heard(f"{turn}/{rank}", rank))
            self.store.delete_key(f"{turn}/{rank}")
        return heard

    def tell(self, message: bytes = b"") -> bytes:
        """Return what the first rank said, on every rank."""
        turn = next(self._turns)
        if not self.is_first:
            return self._heard(f"{turn}/0", 0)
        if self.size > 1:
            self.store.set(f"{turn}/0", message)  # type: ignore[arg-type]
        return message

    def barrier(self) -> None:
        """Wait until every rank is here, however long one of them still works."""
        self.gather(b"")
        self.tell()

    def _heard(self, key: str, rank: int) -> bytes:
        nap_s, beat, beaten_s = 0.001, b"", time.monotonic()
        while True:
            is_gone = self.store.check([_gone(rank)])
            if self.store.check([key]):  # asked for last: what a rank said before it ended still counts
                return bytes(self.store.get(key))
            if is_gone:
                raise LostRankError(f"rank {rank} has ended; see what it said, then run the same command to go on")
            now = self.store.get(_beat(rank)) if self.store.check([_beat(rank)]) else b""
            if now != beat:
                beat, beaten_s = now, time.monotonic()
            elif time.monotonic() - beaten_s > self.patience_s:
                raise CheckpointError(
                    f"rank {rank} has shown no life for {self.patience_s / 60:.1f} minutes (machine.timeout_minutes); "
                    "see what became of its node, then run the same command again"
                )
            time.sleep(nap_s)
            nap_s = min(2 * nap_s, LONGEST_NAP_S)


def _beat(rank: int) -> str:
    return f"beat/{rank}"


def _gone(rank: int) -> str:
    return f"gone/{rank}"


def join(*, timeout_minutes: float = 10) -> Ranks:
    """Join the other ranks of this run; alone, without a port. A rank dies with the process that started it.

    `timeout_minutes` is how long a collective may wait for a rank, and how long one may show no life.
    """
    device, timeout = _device(), timedelta(minutes=timeout_minutes)
    backend = "nccl" if device.type == "cuda" else "gloo"
    if not is_launched():
        if not dist.is_initialized():
            os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed insists on it
            alone = HashStore()
            dist.init_process_group(backend, store=alone, rank=0, world_size=1)
        return Ranks(rank=0, size=1, device=device)
    die_with_parent()
    shared, rank, size = _shared(timeout)
    store = PrefixStore(meet(shared, rank, size, timeout_s=timeout.total_seconds()), shared)
    dist.init_process_group(backend, store=PrefixStore("group", store), rank=rank, world_size=size, timeout=timeout)
    ours, patience_s = PrefixStore("byline", store), timeout.total_seconds()
    heartbeat = Heartbeat(ours, rank, every_s=min(BEAT_S, patience_s / 10)) if size > 1 else None
    return Ranks(rank=rank, size=size, device=device, store=ours, patience_s=patience_s, heartbeat=heartbeat)


def _shared(timeout: timedelta) -> tuple[Store, int, int]:
    """Return the store through which the ranks talk at first, the rank of this process, and how many there are."""
    if not is_launched_by_us():
        shared, rank, size = next(rendezvous("env://", timeout=timeout))
        return shared, rank, size
    rank, size, listener = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", LISTENER))
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if rank == 0:
        store = TCPStore(address, port, size, True, timeout, wait_for_workers=False, master_listen_fd=listener)
    else:
        store = TCPStore(address, port, size, False, timeout)
    return store, rank, size


def leave(ranks: Ranks, *, together: bool) -> None:
    """Leave the other ranks; `together`, the first one last, since its process may hold what they talk through.

    A lone process stays joined to itself, as DeepSpeed cannot be started twice otherwise.
    """
    if not is_launched():
        return
    if together:
        ranks.gather(b"")
    elif ranks.size > 1:
        with suppress(RuntimeError):  # the store may be gone already
            ranks.store.set(_gone(ranks.rank), "")
    if ranks.heartbeat is not None:
        ranks.heartbeat.stop()
    if together:
        dist.destroy_process_group()


def is_of_lost_rank(error: Exception) -> bool:
    """Tell whether an error comes of another rank that is gone: from NCCL, from gloo, or from the store."""
    if isinstance(error, LostRankError | dist.DistError):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error).lower()


def _device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)
