import logging

import numpy as np
import pytest
import torch

from byline.captioning.batching import LARGEST, BatchSize, by_shape, in_batches, joined


def work_within(memory: int, seen: list[int]):
    """Return work that doubles numbers, with memory for so many at a time."""

    def work(batch):
        seen.append(len(batch))
        if len(batch) > memory:
            raise torch.OutOfMemoryError(f"no memory for {len(batch)}")
        return [2 * item for item in batch]

    return work


def test_batches_are_halved_until_they_fit_and_that_is_said(caplog):
    seen = []
    with caplog.at_level(logging.WARNING):
        done = in_batches(range(20), BatchSize(8, may_grow=True), work_within(3, seen))
    assert done == [2 * item for item in range(20)]
    assert seen == [8, 4, *[2] * 10]
    assert caplog.messages[-1] == "the device's memory ran out: 2 pictures at a time from now on"


def test_one_picture_without_memory_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        in_batches(range(4), BatchSize(4, may_grow=True), work_within(0, []))


@pytest.mark.parametrize(
    ("may_grow", "num", "needed", "expected"),
    [(True, 8, 10, 16), (True, 8, 50, 8), (True, 7, 10, 8), (False, 8, 10, 8)],
)
def test_a_full_batch_that_left_room_is_followed_by_a_larger(may_grow, num, needed, expected):
    size = BatchSize(8, may_grow)
    size.saw(num, needed_bytes=needed, free_bytes=100)
    assert size.size == expected


def test_batches_grow_no_further_than_the_largest_and_not_after_memory_ran_out():
    size = BatchSize(LARGEST, may_grow=True)
    size.saw(LARGEST, needed_bytes=1, free_bytes=100)
    assert size.size == LARGEST
    size.halve()
    size.saw(size.size, needed_bytes=1, free_bytes=100)
    assert size.size == LARGEST // 2


def an_input(width: int):
    return {"pixel_values": np.full((1, 3, 2, width), width, np.float32)}


def test_groups_have_one_shape_and_lose_none():
    widths = [4, 5, 4, 4, 5, 4, 6]
    groups = list(by_shape(iter([an_input(width) for width in widths]), BatchSize(2, may_grow=False)))
    assert [[position for position, _ in group] for group in groups] == [[0, 2], [1, 4], [3, 5], [6]]
    assert joined([inputs for _, inputs in groups[0]])["pixel_values"].shape == (2, 3, 2, 4)


def test_a_rare_shape_waits_for_eight_batches_and_no_longer():
    prepared = [an_input(5), *[an_input(4) for _ in range(40)]]
    groups = list(by_shape(iter(prepared), BatchSize(2, may_grow=False)))
    assert [position for position, _ in groups[8]] == [0]


def test_what_could_not_be_prepared_is_a_group_of_its_own():
    groups = list(by_shape(iter([an_input(4), None, an_input(4)]), BatchSize(2, may_grow=False)))
    assert groups[0] == [(1, None)]
    assert [position for position, _ in groups[1]] == [0, 2]
