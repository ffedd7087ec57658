import numpy as np
import pytest

from byline.training.order import Order

SIZES = (5, 3, 7, 2)


@pytest.mark.parametrize("window_shards", [1, 2, 9])
def test_an_epoch_sees_every_sample_once(window_shards):
    order = Order(shard_sizes=SIZES, window_shards=window_shards, seed=3)
    seen = sorted(order.at(position) for position in range(17, 34))
    assert seen == [(shard, row) for shard, size in enumerate(SIZES) for row in range(size)]


@pytest.mark.parametrize("window_shards", [1, 2, 9])
@pytest.mark.parametrize("images_seen", [0, 1, 9, 17, 18, 40])
def test_times_seen_counts_what_at_gives(window_shards, images_seen):
    order = Order(shard_sizes=SIZES, window_shards=window_shards, seed=3)
    counts = [np.zeros(size, int) for size in SIZES]
    for position in range(images_seen):
        shard, row = order.at(position)
        counts[shard][row] += 1
    assert [c.tolist() for c in order.times_seen(images_seen)] == [c.tolist() for c in counts]


def test_seed_and_epoch_change_the_order():
    orders = {
        tuple(Order(shard_sizes=SIZES, window_shards=9, seed=seed).at(17 * epoch + i) for i in range(17))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(orders) == 4


def test_a_window_holds_few_shards():
    order = Order(shard_sizes=(4,) * 10, window_shards=2, seed=0)
    assert len({order.at(position)[0] for position in range(8)}) == 2


def test_the_order_is_the_same_forever():
    order = Order(shard_sizes=(3, 2), window_shards=2, seed=0)
    assert [order.at(position) for position in range(5)] == [(0, 1), (0, 0), (1, 1), (1, 0), (0, 2)]
