"""Make a model's inputs of pictures, in processes of their own, several batches ahead of the device.

Each picture is prepared alone, so its inputs do not depend on its batch. What comes back are plain numpy arrays.
"""

import multiprocessing
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import connection
from typing import Any

import numpy as np

from byline.captioning.captioners import CaptionRequest
from byline.captioning.checkpoints import load_processor
from byline.captioning.shown import shown
from byline.catalog.errors import BylineError

Inputs = dict[str, np.ndarray]
"""What a model is given of one picture, by the names of its arguments; the first axis of each can be joined."""
MARGIN = 2
"""Pictures are decoded at this many times the model's size at least: nearer, the reduced decode can be told."""


@dataclass(frozen=True)
class Preparer:
    """Makes the inputs of one model with one prompt. Loads its processor at the first picture."""

    model: str
    revision: str
    prompt: str

    def prepare(self, request: CaptionRequest) -> Inputs | None:
        """Return the inputs for a picture; None for one that the model's processor refuses, as some do thin ones.

        Raises `CorpusError` for bytes that are no picture, `CheckpointError` for a processor that does not load.
        """
        processor, min_px = self.processor, self._min_px
        image = shown(request, min_px=min_px)
        try:
            inputs = self._inputs(processor, image)
        except (ValueError, ZeroDivisionError):
            return None
        return {name: value.numpy() for name, value in sorted(inputs.items()) if hasattr(value, "numpy")}

    @cached_property
    def processor(self) -> Any:
        return load_processor(self.model, self.revision)

    def _inputs(self, processor: Any, image: Any) -> Any:
        if not getattr(processor, "chat_template", None):
            return processor(images=image, text=self.prompt or None, return_tensors="pt")
        content = [{"type": "image", "image": image}, {"type": "text", "text": self.prompt}]
        return processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )

    @cached_property
    def _min_px(self) -> int | None:
        """The shorter side that is enough; None for a model that takes pictures of any size."""
        size = getattr(self.processor.image_processor, "size", None) or {}
        sides = [size[name] for name in ("height", "width", "shortest_edge") if isinstance(size.get(name), int)]
        is_fixed = {"height", "width"} <= set(size) or set(size) == {"shortest_edge"}
        return MARGIN * max(sides) if is_fixed and sides else None


_preparer: Preparer


def _begin(preparer: Preparer) -> None:
    """Begin a process: one thread, and an end with the process that asked for it, however that ends."""
    import torch

    global _preparer
    _preparer = preparer
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _prepare(request: CaptionRequest) -> Inputs | BylineError | None:
    try:
        return _preparer.prepare(request)
    except BylineError as error:
        return error


@contextmanager
def preparing(
    preparer: Preparer, requests: Iterable[CaptionRequest], *, processes: int, ahead: int
) -> Iterator[Iterator[Inputs | None]]:
    """Give the inputs of `requests`, in their order, made by so many processes, at most `ahead` before they are taken.

    With no processes they are made here, when they are taken. What `requests` raises is raised here.
    """
    if processes == 0:
        yield map(preparer.prepare, requests)
        return
    context = multiprocessing.get_context("spawn")
    ready: queue.Queue[Future[Any] | BaseException | None] = queue.Queue(ahead)
    stopped = threading.Event()
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(preparer,)) as pool:
        asking = threading.Thread(target=_ask, args=(pool, requests, ready, stopped), daemon=True)
        asking.start()
        try:
            yield _taken(ready)
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            asking.join()


def _ask(pool: ProcessPoolExecutor, requests: Iterable[CaptionRequest], ready: Any, stopped: threading.Event) -> None:
    """Read requests and hand them to the processes, ahead of who takes what comes back."""
    last: BaseException | None = None
    try:
        for request in requests:
            if not _put(ready, pool.submit(_prepare, request), stopped):
                return
    except BaseException as error:  # raised where it can be caught: in the thread that captions
        last = error
    _put(ready, last, stopped)


def _put(ready: Any, item: Any, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            ready.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def _taken(ready: "queue.Queue[Future[Any] | BaseException | None]") -> Iterator[Inputs | None]:
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        prepared = item.result()
        if isinstance(prepared, BylineError):
            raise prepared
        yield prepared
