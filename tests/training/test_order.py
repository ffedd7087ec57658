"""The order against counting one by one, for sizes, streams and windows that nobody would choose."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byline.training.order import Order, Runs

SIZES = (5, 3, 7, 2)


@st.composite
def orders(draw):
    return Order(
        shard_sizes=tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))),
        streams=draw(st.integers(1, 12)),
        window_samples=draw(st.integers(1, 12)),
        seed=draw(st.integers(0, 3)),
        runs=draw(st.none() | st.builds(some_runs, st.integers(1, 5), st.integers(1, 4))),
    )


def some_runs(length, buckets, shard_size=9):
    return Runs(bucket_of=lambda shard: (np.arange(shard_size) * 7 + shard) * 5 % 11 % buckets, length=length)


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


def shapes_of_steps(order, stream):
    """Return the buckets of each step of a stream in the first windows of an epoch."""
    places = order.take(stream, 0, 4 * order.window_samples // order.runs.length * order.runs.length)
    return [set(step) for step in order.runs.buckets(places).reshape(-1, order.runs.length).tolist()]


def test_a_stream_gives_a_step_one_shape_but_for_what_is_left_over():
    runs = some_runs(length=8, buckets=4, shard_size=1000)
    order = Order(shard_sizes=(1000,) * 4, streams=2, window_samples=500, seed=0, runs=runs)
    for stream in (0, 1):
        steps = shapes_of_steps(order, stream)
        assert len(steps) == 250
        mixed = [len(shapes) for shapes in steps if len(shapes) > 1]
        assert sum(mixed) <= 4 * 2 * 4  # two steps at the border of each window, of at most four shapes


def test_runs_of_several_shapes_are_mixed():
    runs = some_runs(length=8, buckets=3, shard_size=1000)
    order = Order(shard_sizes=(1000,) * 4, streams=2, window_samples=600, seed=0, runs=runs)
    steps = [shapes for shapes in shapes_of_steps(order, 0) if len(shapes) == 1]
    changes = sum(one != other for one, other in pairwise(steps))
    assert changes > len(steps) / 3


def test_a_window_has_the_same_samples_with_runs_and_without():
    plain = Order(shard_sizes=SIZES, streams=2, window_samples=4, seed=5)
    in_runs = Order(shard_sizes=SIZES, streams=2, window_samples=4, seed=5, runs=some_runs(2, 2))
    for index in range(0, 8, 4):
        assert sorted(listed(plain.take(0, index, 4))) == sorted(listed(in_runs.take(0, index, 4)))


def test_the_order_in_runs_is_the_same_forever():
    order = Order(shard_sizes=(3, 2, 4), streams=1, window_samples=9, seed=0, runs=some_runs(2, 2))
    expected = [(0, 1), (0, 0), (1, 0), (1, 1), (2, 3), (2, 1), (2, 0), (0, 2), (2, 2)]
    assert listed(order.batch(0, 9)) == expected
    assert order.runs.buckets(order.batch(0, 9)).tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 1]
