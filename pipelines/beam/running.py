"""Run the graph of a build on Beam, and turn what its workers raise back into our own errors."""

import logging
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, StandardOptions, _BeamArgumentParser
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner

from byline.catalog import errors
from byline.catalog.errors import BylineError, ConfigError
from byline.pipelines.beam.graph import BuildGraph
from byline.pipelines.beam.worker_handler import ForkedEnvironment
from byline.pipelines.beam.workers import WorkerServer

READERS = ("beam_control_read", "read_grpc_client_inputs", "wait_until_finish_read")
"""Beam's names of the threads that read what workers and runners answer."""
WITHOUT_PIP_FREEZE = "disable_logging_submission_environment"
"""Keeps Beam from running pip for a second, to tell workers all that is installed here; they ask for what they need."""
TOLD_WITHIN_S = 1.0
"""A worker's connection may break so long before its end is told."""


def run_graph(graph: BuildGraph, options: "Options") -> dict[str, int]:
    """Run the graph, and return what the stages counted as really done."""
    pipeline = made_pipeline(options.runner, options.pipeline)
    try:
        with quiet_threads(), pipeline:
            graph.apply(pipeline)
    except Exception as error:
        raised_by_worker(error)
        if options.server and (death := options.server.death(within_s=TOLD_WITHIN_S)):
            raise BylineError(death) from error
        raise
    return counters_of(pipeline)


def made_pipeline(runner: FnApiRunner | None, options: PipelineOptions) -> beam.Pipeline:
    """Return an empty pipeline. Raises `ConfigError` for options that Beam refuses."""
    try:
        return beam.Pipeline(runner=runner, options=options)
    except ValueError as error:
        raise ConfigError(f"Beam refuses the options after --: {error}") from error


def counters_of(pipeline: beam.Pipeline) -> dict[str, int]:
    """Return what the stages of a pipeline that ended counted as really done; nothing where a runner counts nothing."""
    counters = pipeline.result.metrics().query(MetricsFilter().with_namespace("byline"))["counters"]
    done: Counter[str] = Counter()
    for counter in counters:
        done[counter.key.metric.name] += counter.committed or counter.attempted or 0  # either may be missing
    return dict(sorted(done.items()))


def raised_by_worker(error: Exception) -> None:
    """Raise our own error if a worker raised that: it comes back as text in whatever Beam raises."""
    if isinstance(error, BylineError):
        raise type(error)(_message_of(str(error))) from error
    if byline_error := _told_by_worker(error):
        raise byline_error from error


@dataclass(frozen=True)
class Options:
    pipeline: PipelineOptions
    runner: FnApiRunner | None
    server: WorkerServer | None


def options_of(workers: int, beam_args: Sequence[str], server: WorkerServer | None) -> Options:
    """Return the options of a run on `workers` processes that the server forks, in this process without a server."""
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    # Of Beam's modes, this one leaves alone what workers the runner was made for.
    local = [f"--direct_num_workers={workers if server else 1}", "--direct_running_mode=in_memory"]
    elsewhere = PipelineOptions(list(beam_args)).view_as(StandardOptions).runner
    if not elsewhere and (unknown := _unknown_to_beam(beam_args)):
        raise ConfigError(f"{unknown[0]!r} is no option of byline build or of Beam; see byline build --help")
    options = PipelineOptions([*([] if elsewhere else local), *beam_args])
    options.view_as(DebugOptions).add_experiment(WITHOUT_PIP_FREEZE)
    return Options(options, None if elsewhere else _quiet_runner(server), server)


def _unknown_to_beam(beam_args: Sequence[str]) -> list[str]:
    """Return what no option of this machine's Beam takes. Another runner may well have options of its own."""
    parser = _BeamArgumentParser(allow_abbrev=False, add_help=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    return parser.parse_known_args(list(beam_args))[1]


def _quiet_runner(server: WorkerServer | None) -> FnApiRunner:
    """Return Beam's in-process portable runner, whose worker processes log nothing: errors come back as exceptions."""
    provision_info = beam_provision_api_pb2.ProvisionInfo(retrieval_token="unused")
    provision_info.pipeline_options.update({"default_sdk_harness_log_level": "CRITICAL"})
    environment = ForkedEnvironment(server) if server else None
    return FnApiRunner(default_environment=environment, provision_info=ExtendedProvisionInfo(provision_info))


@contextmanager
def quiet_threads() -> Iterator[None]:
    """Let Beam's threads print nothing of a worker whose connection breaks: whoever waits for it is told."""
    before = threading.excepthook

    def tell(failure: threading.ExceptHookArgs) -> None:
        if failure.thread is None or failure.thread.name not in READERS:
            before(failure)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


def _told_by_worker(error: Exception) -> BylineError | None:
    """Turn a worker's traceback back into the error that the worker raised, where it is one of ours."""
    for name, message in reversed(re.findall(r"^(?:byline\.catalog\.errors\.)?(\w+Error): (.*)$", str(error), re.M)):
        kind: type[BylineError] | None = getattr(errors, name, None)
        if kind is not None:
            return kind(_message_of(message))
    return None


def _message_of(message: str) -> str:
    return message.split(" [while running", 1)[0].strip()
