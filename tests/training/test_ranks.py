"""How ranks wait for each other: for one that works as long as it takes, for one that is gone not for ever."""

import time
from dataclasses import replace

import pytest

from byline.catalog.errors import CheckpointError
from byline.training.launching import first_failure
from byline.training.meeting import meet
from byline.training.ranks import Heartbeat, LostRankError, Ranks, is_of_lost_rank, leave
from tests.training.gloo import on_ranks

PATIENCE_S = 3.0


def _said(ranks: Ranks) -> tuple[list[bytes], bytes]:
    heard = ranks.gather(f"I am {ranks.rank}".encode())
    told = ranks.tell(b"first" if ranks.is_first else b"other")
    ranks.barrier()
    return heard, told


def test_the_first_rank_hears_all_and_all_hear_the_first():
    everything = [b"I am 0", b"I am 1", b"I am 2"]
    assert on_ranks(3, _said) == [(everything, b"first"), ([], b"first"), ([], b"first")]


def _met_twice(ranks: Ranks) -> tuple[str, str]:
    first = meet(ranks.store, ranks.rank, ranks.size, timeout_s=60)
    if ranks.rank == 1:
        time.sleep(0.5)  # the first rank finds what was said before, and must not take it for an answer
    return first, meet(ranks.store, ranks.rank, ranks.size, timeout_s=60)


def test_ranks_meet_anew_in_a_store_that_was_used():
    (first, second), *others = on_ranks(3, _met_twice)
    assert first != second
    assert others == [(first, second)] * 2


def _waited(ranks: Ranks) -> str:
    ranks = replace(ranks, patience_s=PATIENCE_S)
    heartbeat = Heartbeat(ranks.store, ranks.rank, every_s=0.1)
    if not ranks.is_first:
        time.sleep(2 * PATIENCE_S)  # as long as it may encode
    ranks.barrier()
    heartbeat.stop()
    return "together"


@pytest.mark.slow
def test_a_rank_that_works_longer_than_the_others_are_patient_is_waited_for():
    assert on_ranks(2, _waited) == ["together", "together"]


def _given_up(ranks: Ranks) -> str:
    if not ranks.is_first:
        return "silent"
    with pytest.raises(CheckpointError, match=r"rank 1 has shown no life for 0.0 minutes \(machine.timeout_minutes\)"):
        replace(ranks, patience_s=0.2).barrier()
    return "gave up"


def test_a_rank_without_a_sign_of_life_is_named():
    assert on_ranks(2, _given_up) == ["gave up", "silent"]


def _ended(ranks: Ranks) -> str:
    if ranks.rank == 1:
        ranks.store.set("gone/1", "")
        return "ended"
    with pytest.raises(LostRankError, match="rank 1 has ended; see what it said") as told:
        ranks.barrier()
    assert is_of_lost_rank(told.value)
    return "told"


def test_a_rank_that_ends_is_not_waited_for():
    assert on_ranks(2, _ended) == ["told", "ended"]


def test_a_lone_process_leaves_nobody(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    (ranks,) = on_ranks(1, _alone)
    assert ranks == [b"alone"]


def _alone(ranks: Ranks) -> list[bytes]:
    ranks.barrier()
    heard = ranks.gather(b"alone")
    leave(ranks, together=True)
    return heard


@pytest.mark.parametrize(
    ("codes", "first"),
    [
        ({0: -15, 1: -9}, (1, -9)),
        ({0: 3, 1: -9}, (1, -9)),
        ({0: 3, 1: 2}, (1, 2)),
        ({0: -15, 1: 1, 2: 3}, (1, 1)),
        ({0: -15, 1: -15}, (0, -15)),
    ],
)
def test_the_rank_that_ended_the_others_is_named(codes, first):
    assert first_failure(codes) == first
