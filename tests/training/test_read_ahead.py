import threading
from contextlib import closing
from itertools import count

import pytest

from byline.training.read_ahead import ReadAhead


def size_of(item: int) -> int:
    return 1


def test_items_come_in_order_and_end():
    with closing(ReadAhead((number for number in range(5)), size=size_of, max_bytes=2)) as ahead:
        assert list(ahead) == [0, 1, 2, 3, 4]


def test_an_exception_comes_where_its_item_would_have():
    def items():
        yield 1
        raise KeyError("damaged")

    with closing(ReadAhead(items(), size=size_of, max_bytes=9)) as ahead:
        assert next(ahead) == 1
        with pytest.raises(KeyError, match="damaged"):
            next(ahead)


def test_no_more_is_made_than_fits():
    made, enough = [], threading.Event()

    def items():
        for number in count():
            made.append(number)
            if len(made) == 4:
                enough.set()
            yield number

    with closing(ReadAhead(items(), size=size_of, max_bytes=3)) as ahead:
        next(ahead)
        assert enough.wait(60)
        assert ahead.wait_s > 0
    assert len(made) == 4


def test_closing_ends_the_thread_and_the_generator():
    closed = []

    def items():
        try:
            yield from count()
        finally:
            closed.append(True)

    ahead = ReadAhead(items(), size=size_of, max_bytes=3)
    next(ahead)
    ahead.close()
    assert closed == [True]
    assert not ahead._thread.is_alive()
