"""A pipeline on a runner that is not ours: submitted, waited for, and canceled when its workers are gone."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from byline.catalog.errors import BylineError

POLL_S = 0.25
ANSWERS_WITHIN_S = 30
LONGEST_JOB_S = 10 * 365 * 86_400
"""Beam (2.77) gives the streams in which a job service tells of a job no longer than one request may take, 300 s by
default, and takes the end of that time for the end of the job."""
LINE_LENGTH = 300
OUR_CODE = "[while running '"
"""What Beam puts into the text of an error that a stage raised."""
GO_ON = "run the same command again, and it goes on from what is kept"


def reach_job_service(options: PipelineOptions) -> None:
    """Return when the job service answers, and let the job then take as long as it takes.

    Raises `grpc.FutureTimeoutError` where none answers in Beam's `--job_server_timeout`, `ANSWERS_WITHIN_S` at most.
    """
    _await_job_service(options)
    options.view_as(PortableOptions).job_server_timeout = LONGEST_JOB_S


def _await_job_service(options: PipelineOptions) -> None:
    portable = options.view_as(PortableOptions)
    if portable.job_endpoint:
        with grpc.insecure_channel(portable.job_endpoint) as channel:
            within_s = min(portable.job_server_timeout, ANSWERS_WITHIN_S)
            grpc.channel_ready_future(channel).result(timeout=within_s)


class Submission:
    """A pipeline that runs, in a thread of this process that does nothing but wait for it."""

    def __init__(self, pipeline: beam.Pipeline) -> None:
        self.pipeline = pipeline
        self._error: BaseException | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="byline_submits", daemon=True).start()

    def wait(self, why_stop: Callable[[], str | None]) -> None:
        """Return when the pipeline has succeeded, and raise what it fails with.

        `why_stop` is asked all the time: once it says why, the pipeline is canceled and that is the `BylineError`.
        Raises `grpc.FutureTimeoutError` where the job service went away before it had the pipeline.
        """
        asked_s = time.monotonic()
        try:
            while not self._ended.wait(POLL_S):
                if why := why_stop():
                    raise BylineError(why)
                if not self._is_submitted and time.monotonic() - asked_s > ANSWERS_WITHIN_S:
                    _await_job_service(self.pipeline.options)
                    asked_s = time.monotonic()
        except BaseException:
            self._cancel()
            raise
        if self._error is not None:
            raise self._error

    @property
    def _is_submitted(self) -> bool:
        return getattr(self.pipeline, "result", None) is not None

    def _run(self) -> None:
        try:
            with self.pipeline:
                pass
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()

    def _cancel(self) -> None:
        result = getattr(self.pipeline, "result", None)
        canceling = threading.Thread(target=lambda: _quietly(result.cancel) if result else None, daemon=True)
        canceling.start()
        canceling.join(5)  # a runner that is gone never answers


def _quietly(action: Callable[[], object]) -> None:
    with suppress(Exception):
        action()


@contextmanager
def quiet_runner() -> Iterator[None]:
    """Let nothing be printed of what a runner logs: what ends a build is told once, by whoever waits for it."""
    root, silent = logging.getLogger(), logging.NullHandler()
    before = root.level
    root.addHandler(silent)  # else the first message makes a handler that prints
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.removeHandler(silent)
        root.setLevel(before)


def in_a_line(error: Exception, options: PipelineOptions, at_work: str | None) -> BylineError | None:
    """Return what to tell of a failure of the runner itself, in one line; None for a failure of our own code, whose
    traceback says more.
    """
    endpoint = options.view_as(PortableOptions).job_endpoint
    if isinstance(error, grpc.FutureTimeoutError):
        return BylineError(f"no job service of Beam answers at {endpoint}; start it, or name another: --job_endpoint")
    if isinstance(error, grpc.RpcError):
        where = f"the job service at {endpoint}" if endpoint else "the job service"
        pool = options.view_as(PortableOptions).environment_config
        named = f" (a runner may end where its pool of workers, {pool}, does not answer)" if pool else ""
        return BylineError(f"{where} went away{named}{_last(at_work)}; start it again and {GO_ON}")
    text = str(error)
    if OUR_CODE in text:
        return None
    last = " ".join((text.strip().splitlines() or [type(error).__name__])[-1].split())[:LINE_LENGTH]
    return BylineError(f"the runner ended the build: {last}{_last(at_work)}; {GO_ON}")


def _last(at_work: str | None) -> str:
    return f"; last heard of: {at_work}" if at_work else ""
