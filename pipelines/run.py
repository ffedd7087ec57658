"""Run a build: lock the corpus, serve what the config serves, run the graph, draw its progress."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import apache_beam as beam
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, _BeamArgumentParser
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from rich.console import Console

from catalog import errors
from catalog.corpus import PENDING, SETTINGS, owned, read_settings, write_settings
from catalog.denylist import load_denylist
from catalog.digests import canonical_json, digest_of
from catalog.errors import BylineError, ConfigError, CorpusError
from catalog.manifest import Release
from catalog.policy import Policy
from pipelines.config import CorpusConfig, load_corpus_config
from pipelines.graph import STAGES, BuildGraph
from pipelines.progress import Meter, watch
from pipelines.serve import serving

BUILDS = "builds"
COUNTED = ("ingested", "requested", "measured", "captioned", "shards written", "shard bytes written")
"""What a build's record counts; all of them 0 where nothing was new."""


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
    options = _options(workers, beam_args)
    if config.serve and options.runner is None:
        raise ConfigError(
            "[serve] answers on this machine's loopback, where another runner's workers are not; remove it"
        )
    with ExitStack() as stack:
        stack.enter_context(owned(config.store))
        _keep_settings(config)
        mirrors = {prefix: stack.enter_context(serving(folder)) for prefix, folder in config.serve.items()}
        progress = Path(stack.enter_context(TemporaryDirectory(prefix="byline-")))
        if console is not None:
            stack.enter_context(watch(progress, STAGES, console))
        done = _run(BuildGraph(config, policy, Meter(str(progress)), mirrors), options)
        release = Release(f"{config.root.rstrip('/')}/releases/{config.name}")
        _keep_record(release, policy, done)
    return release


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
    if not elsewhere and (unknown := _unknown_to_beam(beam_args)):
        raise ConfigError(f"{unknown[0]!r} is no option of byline build or of Beam; see byline build --help")
    options = PipelineOptions([*([] if elsewhere else local), *beam_args])
    return _Options(options, None if elsewhere else _quiet_runner())


def _unknown_to_beam(beam_args: Sequence[str]) -> list[str]:
    """Return what no option of this machine's Beam takes. Another runner may well have options of its own."""
    parser = _BeamArgumentParser(allow_abbrev=False, add_help=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    return parser.parse_known_args(list(beam_args))[1]


def _quiet_runner() -> FnApiRunner:
    """Return Beam's in-process portable runner, whose worker processes log nothing: errors come back as exceptions."""
    told = beam_provision_api_pb2.ProvisionInfo(retrieval_token="unused")
    told.pipeline_options.update({"default_sdk_harness_log_level": "CRITICAL"})
    return FnApiRunner(provision_info=ExtendedProvisionInfo(told))


def _run(graph: BuildGraph, options: _Options) -> dict[str, int]:
    """Run the graph, and return what the stages counted as really done."""
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
    counters = pipeline.result.metrics().query(MetricsFilter().with_namespace("byline"))["counters"]
    done: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    for counter in counters:
        done[counter.key.metric.name] += counter.result
    return dict(sorted(done.items()))


def _keep_record(release: Release, policy: Policy, done: dict[str, int]) -> None:
    """Write `builds/NNNNN.json`: which release a build made, and how much it did that was not done before."""
    store = release.store
    record = {"release": release.path, "policy": digest_of(policy), "done": done}
    number = len(store.files(BUILDS, suffix=".json"))
    store.write_bytes(f"{BUILDS}/{number:05d}.json", canonical_json(record) + b"\n")


def _told_by_worker(error: RuntimeError) -> Exception:
    """Turn a worker's traceback back into the error that the worker raised, where it is one of ours."""
    for name, message in reversed(re.findall(r"^(?:catalog\.errors\.)?(\w+Error): (.*)$", str(error), re.M)):
        kind = getattr(errors, name, None)
        if kind is not None:
            return kind(_message_of(message))
    return error


def _message_of(message: str) -> str:
    return message.split(" [while running", 1)[0].strip()


def _keep_settings(config: CorpusConfig) -> None:
    """Write `corpus.toml`; refuse settings that the corpus on disk was not made with and that all facts follow from."""
    store = config.store
    pixels = config.pixels.model_dump(mode="json")
    num_packs = {source.name: source.num_packs for source in config.sources}
    before = read_settings(store)
    if store.exists(PENDING):
        raise CorpusError(f"in {store.root} a takedown was begun and not completed; run: byline takedown apply")
    where = store.url(SETTINGS)
    if before.get("pixels", pixels) != pixels:
        raise ConfigError(f"[pixels] differs from {where}; name a new root, every picture would be another")
    packs_before: dict[str, int] = before.get("num_packs", {})
    for name, number in num_packs.items():
        if packs_before.get(name, number) != number:
            raise ConfigError(
                f"source {name} has {packs_before[name]} packs in {where}, not {number}; "
                "records never move: keep the number or name a new root"
            )
    last = config.model_dump(mode="json", exclude_none=True)
    write_settings(store, {**before, "pixels": pixels, "num_packs": {**packs_before, **num_packs}, "last_build": last})
    load_denylist(store, config.denylists)  # before anything is built
