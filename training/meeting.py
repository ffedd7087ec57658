"""Let ranks meet under a name of their own, in a store that earlier attempts of the same run may have used.

torchrun starts ranks again with the store of those that it ended, and with their keys in it: addresses where nobody
listens any longer. So no key is believed before both sides have shown that they live now.
"""

import secrets
import time

from torch.distributed import Store  # type: ignore[attr-defined]

from byline.catalog.errors import CheckpointError

NAP_S = 0.02


def meet(store: Store, rank: int, size: int, *, timeout_s: float) -> str:
    """Return a name that all ranks of this attempt got, and no other. Raises `CheckpointError` for who is missing."""
    own, deadline_s = secrets.token_hex(8), time.monotonic() + timeout_s
    if rank:
        return _visit(store, rank, own, deadline_s)
    answered: dict[int, str] = {}
    while missing := [other for other in range(1, size) if _said(store, f"met/{other}") != own]:
        for other in missing:
            token = _said(store, f"here/{other}")
            if token and answered.get(other) != token:  # one of an earlier attempt is answered too, and nobody hears it
                store.set(f"meet/{other}", f"{token} {own}")
                answered[other] = token
        _wait(deadline_s, f"rank {missing[0]} has not come")
    return own


def _visit(store: Store, rank: int, own: str, deadline_s: float) -> str:
    store.set(f"here/{rank}", own)
    while not (answer := _said(store, f"meet/{rank}")).startswith(f"{own} "):
        _wait(deadline_s, "rank 0 has not come")
    name = answer.removeprefix(f"{own} ")
    store.set(f"met/{rank}", name)
    return name


def _said(store: Store, key: str) -> str:
    return store.get(key).decode() if store.check([key]) else ""


def _wait(deadline_s: float, what: str) -> None:
    if time.monotonic() > deadline_s:
        raise CheckpointError(f"{what} in machine.timeout_minutes; see what became of its node, then run it again")
    time.sleep(NAP_S)
