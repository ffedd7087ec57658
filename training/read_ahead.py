"""Read ahead in a background thread, so that who computes does not wait."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from threading import Condition, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Iterator[T], Generic[T]):
    """What a generator gives, in its order, made in another thread. Close it, or the thread stays.

    An exception of the generator is raised where its item would have come.
    """

    wait_s: float = 0.0
    """How long the last item was waited for."""

    def __init__(self, items: Generator[T, None, None], *, size: Callable[[T], int], max_bytes: int) -> None:
        """Begin. What is made and not taken yet is less than `max_bytes` by `size`, or one item."""
        self._items, self._size, self._max_bytes = items, size, max_bytes
        self._made: deque[T | Exception] = deque()
        self._bytes = 0
        self._is_closed = self._is_done = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, daemon=True, name="read ahead")
        self._thread.start()

    def __next__(self) -> T:
        """Return the next item."""
        asked_s = time.perf_counter()
        with self._changed:
            self._changed.wait_for(lambda: self._made or self._is_done)
            if not self._made:
                raise StopIteration
            item = self._made.popleft()
            if not isinstance(item, Exception):
                self._bytes -= self._size(item)
            self._changed.notify_all()
        self.wait_s = time.perf_counter() - asked_s
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """End the thread, and close the generator."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            with closing(self._items):
                for item in self._items:
                    if not self._put(item):
                        return
        except Exception as error:  # whatever it is, who asks for the item is to have it
            self._made.append(error)
        finally:
            with self._changed:
                self._is_done = True
                self._changed.notify_all()

    def _put(self, item: T) -> bool:
        """Wait until there is room for an item, and tell whether it is still wanted."""
        with self._changed:
            self._bytes += self._size(item)
            self._made.append(item)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_closed or self._bytes < self._max_bytes)
            return not self._is_closed
