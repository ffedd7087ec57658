"""Run a build: lock the corpus, serve what the config serves, run the graph, draw its progress."""

import fcntl
import logging
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import apache_beam as beam
import tomli_w
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from rich.console import Console

from catalog import errors
from catalog.configs import parse_config
from catalog.errors import BylineError, ConfigError, CorpusError
from catalog.manifest import Release
from catalog.storage import Store
from pipelines.config import CorpusConfig, load_corpus_config
from pipelines.graph import STAGES, BuildGraph
from pipelines.progress import Meter, watch
from pipelines.serve import serving


def build(
    config_path: str,
    *,
    workers: int = 2,
    beam_args: Sequence[str] = (),
    console: Console | None = None,
) -> Release:
    """Build the release that a corpus config describes, doing only what is not done yet, and return it.

    Killed at any moment and run again, it gives the same bytes, on any number of workers. `beam_args` are Beam's own
    options; with `--runner` among them Beam runs where they say, otherwise in `workers` processes of this machine.
    Raises a `BylineError` for what people can mend.
    """
    config, policy = load_corpus_config(config_path)
    with ExitStack() as stack:
        stack.enter_context(_owned(config.store))
        _keep_settings(config)
        mirrors = {prefix: stack.enter_context(serving(folder)) for prefix, folder in config.serve.items()}
        progress = Path(stack.enter_context(TemporaryDirectory(prefix="byline-")))
        if console is not None:
            stack.enter_context(watch(progress, STAGES, console))
        graph = BuildGraph(config, policy, Meter(str(progress)), mirrors)
        _run(graph, _options(workers, beam_args))
    return Release(f"{config.root.rstrip('/')}/releases/{config.name}")


@dataclass(frozen=True)
class _Options:
    pipeline: PipelineOptions
    runner: FnApiRunner | None


def _options(workers: int, beam_args: Sequence[str]) -> _Options:
    if workers < 1:
        raise ConfigError(f"--workers must be 1 or more, got {workers}")
    mode = "in_memory" if workers == 1 else "multi_processing"
    local = [f"--direct_num_workers={workers}", f"--direct_running_mode={mode}"]
    elsewhere = PipelineOptions(list(beam_args)).view_as(StandardOptions).runner
    options = PipelineOptions([*([] if elsewhere else local), *beam_args])
    return _Options(options, None if elsewhere else _quiet_runner())


def _quiet_runner() -> FnApiRunner:
    """Return Beam's in-process portable runner, whose worker processes log nothing: errors come back as exceptions."""
    told = beam_provision_api_pb2.ProvisionInfo(retrieval_token="unused")
    told.pipeline_options.update({"default_sdk_harness_log_level": "CRITICAL"})
    return FnApiRunner(provision_info=ExtendedProvisionInfo(told))


def _run(graph: BuildGraph, options: _Options) -> None:
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    try:
        pipeline = beam.Pipeline(runner=options.runner, options=options.pipeline)
    except ValueError as error:
        raise ConfigError(f"Beam refuses the options after --: {error}") from error
    try:
        with pipeline:
            graph.apply(pipeline)
    except BylineError as error:
        raise type(error)(_message_of(str(error))) from error
    except RuntimeError as error:
        raise _told_by_worker(error) from error


def _told_by_worker(error: RuntimeError) -> Exception:
    """Turn a worker's traceback back into the error that the worker raised, where it is one of ours."""
    for name, message in reversed(re.findall(r"^(?:catalog\.errors\.)?(\w+Error): (.*)$", str(error), re.M)):
        kind = getattr(errors, name, None)
        if kind is not None:
            return kind(_message_of(message))
    return error


def _message_of(message: str) -> str:
    return message.split(" [while running", 1)[0].strip()


@contextmanager
def _owned(store: Store) -> Iterator[None]:
    """Keep other builds of this machine out of a local corpus, and clear what a killed one left half written."""
    if not store.is_local:
        yield
        return
    lock = store.local_path(".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise CorpusError(f"cannot make a corpus at {store.root}: {error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CorpusError(f"another build is at work in {store.root}; wait for it to end") from error
        store.remove_partial()
        yield


def _keep_settings(config: CorpusConfig) -> None:
    """Write `corpus.toml`; refuse settings that the corpus on disk was not made with and that all facts follow from."""
    store = config.store
    resolved = config.model_dump(mode="json")
    if store.exists("corpus.toml"):
        path = store.url("corpus.toml")
        before = parse_config(tomllib.loads(store.read_text("corpus.toml")), CorpusConfig, where=path)
        if before.pixels != config.pixels:
            raise ConfigError(f"[pixels] differs from {path}; name a new root, every picture would be another")
        packs = {source.name: source.num_packs for source in before.sources}
        for source in config.sources:
            if packs.get(source.name, source.num_packs) != source.num_packs:
                raise ConfigError(
                    f"source {source.name} has {packs[source.name]} packs in {path}, not {source.num_packs}; "
                    "records never move: keep the number or name a new root"
                )
    store.write_bytes("corpus.toml", tomli_w.dumps(resolved).encode())
