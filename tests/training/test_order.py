"""The order against counting one by one, for sizes, streams and windows that nobody would choose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byline.training.order import Order

SIZES = (5, 3, 7, 2)


@st.composite
def orders(draw):
    return Order(
        shard_sizes=tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))),
        streams=draw(st.integers(1, 12)),
        window_samples=draw(st.integers(1, 12)),
        seed=draw(st.integers(0, 3)),
    )


def listed(places):
    return list(zip(places[0].tolist(), places[1].tolist(), strict=True))


def everything(order):
    return [(shard, row) for shard, size in enumerate(order.shard_sizes) for row in range(size)]


@given(orders(), st.integers(0, 3))
def test_an_epoch_sees_every_sample_once(order, epoch):
    seen = listed(order.batch(epoch * order.num_samples, order.num_samples))
    assert sorted(seen) == everything(order)


@given(orders(), st.integers(0, 90))
def test_times_seen_counts_what_batch_gives(order, images_seen):
    counts = [np.zeros(size, int) for size in order.shard_sizes]
    for shard, row in listed(order.batch(0, images_seen)):
        counts[shard][row] += 1
    assert [times.tolist() for times in order.times_seen(images_seen)] == [times.tolist() for times in counts]
    told = [order.times_seen_at(images_seen, shard, row) for shard, row in everything(order)]
    assert told == np.concatenate(counts).tolist()


@given(orders(), st.integers(0, 60), st.integers(0, 25))
def test_a_batch_is_what_its_streams_give(order, start, count):
    one_by_one = []
    for position in range(start, start + count):
        index, stream = divmod(position, order.streams)
        one_by_one += listed(order.take(stream, index, 1))
    assert listed(order.batch(start, count)) == one_by_one


@given(orders(), st.integers(0, 11), st.integers(0, 30))
def test_a_window_names_the_shards_of_its_samples(order, stream, index):
    stream %= order.streams
    window = order.window(stream, index)
    assert index < window.end <= index + order.window_samples
    shards, _ = order.take(stream, index, window.end - index)
    assert set(shards.tolist()) <= set(window.shards.tolist())
    assert len(set(window.shards.tolist())) == len(window.shards)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_that_divide_the_streams_see_the_same_batches(ranks):
    order = Order(shard_sizes=SIZES, streams=4, window_samples=3, seed=3)
    each = order.streams // ranks
    for step in range(12):
        seen = [
            place
            for rank in range(ranks)
            for stream in range(rank * each, (rank + 1) * each)
            for place in listed(order.take(stream, 2 * step, 2))
        ]
        assert sorted(seen) == sorted(listed(order.batch(8 * step, 8)))


def test_seed_and_epoch_change_the_order():
    seen = {
        tuple(listed(Order(shard_sizes=SIZES, streams=2, window_samples=99, seed=seed).batch(17 * epoch, 17)))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(seen) == 4


def test_a_window_lies_in_few_shards():
    order = Order(shard_sizes=(4,) * 50, streams=2, window_samples=8, seed=0)
    assert len(order.window(1, 0).shards) <= 3


def test_the_order_is_the_same_forever():
    order = Order(shard_sizes=(3, 2), streams=2, window_samples=2, seed=0)
    assert listed(order.batch(0, 5)) == [(1, 1), (0, 2), (1, 0), (0, 1), (0, 0)]
