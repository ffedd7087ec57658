"""Run a build: lock the corpus, do what is not done yet, draw the progress, keep a record.

Where nothing is to be fetched, measured or captioned, as after a change of policy, the release is made from facts at
once; otherwise Beam, which takes seconds to start, runs every stage.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from byline.catalog.corpora.builds import MEASURED, REQUESTED, build_records
from byline.catalog.corpora.corpus import DENYLISTS, owned, read_settings, write_settings
from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.packs import TRANSIENT
from byline.catalog.corpora.parts import parts_of
from byline.catalog.denylists.lists import load_denylist
from byline.catalog.digests import digest_of
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_json, write_json
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError, CorpusError
from byline.catalog.policies.policy import Policy
from byline.catalog.progress import TOTAL, Meter, watch
from byline.dedup.banding import promised_recall
from byline.pictures.config import PixelConfig
from byline.pipelines.beam.file_handles import allow_files
from byline.pipelines.beam.workers import quick_imports, worker_server
from byline.pipelines.corpora.config import CorpusConfig, check_installed, load_corpus_config
from byline.pipelines.corpora.settings import settings
from byline.pipelines.facts.attempts import AskAgain, Asking
from byline.pipelines.facts.edge_search import PLAN
from byline.pipelines.facts.edges import is_searched
from byline.pipelines.facts.evaluation_sets import copy_evaluation_sets
from byline.pipelines.facts.similar_search import is_compared
from byline.pipelines.fetching.coordination.reach import read_address
from byline.pipelines.fetching.serve import serving
from byline.pipelines.fetching.transport.hosts import Hosts
from byline.pipelines.judging.outstanding import named_again, num_lacking
from byline.pipelines.releases.outcomes import outcomes_of
from byline.pipelines.releases.regenerating import NotReadyError, regenerate
from byline.pipelines.sources.ingested import first_unread, near_names, records_path, what_lacks, why_no_records

STAGES = [
    "ingest",
    "judge claims",
    "fetch",
    "measure",
    "find duplicates",
    "caption",
    "judge",
    "write shards",
]
"""The stages, as the progress bars name them; `publish` follows and takes no time."""
COUNTED = ("ingested", REQUESTED, MEASURED, "captioned", "shards written", "shard bytes written")
"""What a build's record counts; all of them 0 where nothing was new."""


def build(
    config_path: str,
    *,
    workers: int = 2,
    beam_args: Sequence[str] = (),
    workers_within_s: float = 60.0,
    coordinator: str | None = None,
    console: Console | None = None,
    ask_again: AskAgain | None = None,
) -> Release:
    """Build the release that a corpus config describes, doing only what is not done yet, and return it.

    Killed at any moment and run again, it gives the same bytes, on any number of workers. `beam_args` are Beam's own
    options; with `--runner` among them Beam runs where they say, otherwise in `workers` processes of this machine; a
    worker there must answer within `workers_within_s`, and reaches this machine as `coordinator` (HOST or HOST:PORT) or
    at one of its addresses.
    What `ask_again` names is asked for once more, settled or not; the console is told how many that are.
    Raises a `BylineError` for what people can mend.
    """
    config, policy = load_corpus_config(config_path)
    check_installed(config, policy)
    allow_files()
    if workers < 1:
        raise ConfigError(f"--workers must be 1 or more, got {workers}")
    if coordinator is not None:
        read_address(coordinator)
    with ExitStack() as stack:
        stack.enter_context(owned(config.store))
        _keep_settings(config)
        asking = Asking(began=datetime.now(UTC), spacing_s=config.fetch.ask_again_after_s, again=ask_again)
        if ask_again is not None:
            line = _asks_again(config, policy, asking)
            if console is not None:
                console.print(line, highlight=False)
        progress = Path(stack.enter_context(TemporaryDirectory(prefix="byline-")))
        if console is not None:
            stack.enter_context(watch(progress, STAGES, console))
        meter = Meter(str(progress), scratch=str(stack.enter_context(config.store.scratch_folder())))
        try:
            done = None if beam_args else _from_facts(config, policy, meter, asking)
            if done is None:
                there = (beam_args, workers_within_s, coordinator)
                done = _with_beam(config, policy, meter, asking, workers, *there, stack)
        except CorpusError as error:
            if why := why_no_records(config.sources, config.denylists, config.store):
                raise CorpusError(f"release {config.name} would be empty, no row became a record: {why}") from error
            if "would be empty" not in str(error):
                raise
            near = near_names(config.sources, config.denylists, config.store)
            unread = first_unread(config.sources, config.denylists, config.store)
            more = [hint for hint in (near, unread, what_lacks(str(error)), _may_pass(str(error))) if hint]
            raise CorpusError("; ".join([str(error), *more])) from error
        release = Release(f"{config.root.rstrip('/')}/releases/{config.name}")
        _keep_record(release, policy, done)
    return release


def _may_pass(reasons: str) -> str | None:
    """Say what to do about the outcomes among `reasons` that may be others by now."""
    failed = ",".join(sorted(outcome for outcome in TRANSIENT if f"fetch:{outcome} " in reasons))
    return f"a later build asks again; this asks now: byline build CONFIG --ask-again {failed}" if failed else None


def _asks_again(config: CorpusConfig, policy: Policy, asking: Asking) -> str:
    """Say how many pictures people named to be asked for again, of the records that were read before this build.

    Their hosts no longer rest because they failed: who asks again knows better. What a host asked for stays.
    """
    store = config.store
    paths = [records_path(source, config.denylists, store) for source in config.sources]
    parts = [part for path in paths if store.exists(path) for part in parts_of(store, path)]
    counts, named = named_again(parts, store, policy, asking)
    hosts = Hosts(per_host=config.fetch.per_host, rate_per_s=config.fetch.rate_per_s)
    for host in sorted(named):
        hosts.succeeded(host)
    if not counts:
        return "nothing to ask for again: no picture has such an outcome"
    each = ", ".join(f"{outcome} {number:,}" for outcome, number in sorted(counts.items()))
    return f"asks again for {counts.total():,} pictures: {each}"


def _from_facts(config: CorpusConfig, policy: Policy, meter: Meter, asking: Asking) -> dict[str, int] | None:
    """Make the release from what is there, and return what was done; None when a stage before has something to do."""
    store = config.store
    paths = [records_path(source, config.denylists, store, keep=True) for source in config.sources]
    if not all(store.exists(path) for path in paths):
        return None
    parts = [part for path in paths for part in parts_of(store, path)]
    if not (is_searched(store, parts) and is_compared(store, parts, config.compared_by(policy))):
        return None
    if any(num_lacking(part, config.added_facts) for part in parts):
        return None
    meter.add(TOTAL, sum(part.num_records for part in parts))
    made_with = settings(config, policy)
    try:
        made = regenerate(parts, store, policy, made_with, denylists=config.denylists, meter=meter, asking=asking)
    except NotReadyError:
        meter.take_back()
        return None
    return {**dict.fromkeys(COUNTED, 0), **made.done}


def _with_beam(
    config: CorpusConfig,
    policy: Policy,
    meter: Meter,
    asking: Asking,
    workers: int,
    beam_args: Sequence[str],
    workers_within_s: float,
    coordinator: str | None,
    stack: ExitStack,
) -> dict[str, int]:
    """Run every stage, and return what was done."""
    server = stack.enter_context(worker_server(workers, beam_args))
    with quick_imports():
        from byline.pipelines.beam.elsewhere import Elsewhere
        from byline.pipelines.beam.graph import BuildGraph
        from byline.pipelines.beam.running import options_of, run_graph

    options = options_of(workers, beam_args, server)
    if coordinator is not None and options.runner is not None:
        raise ConfigError(
            "--coordinator is for workers of another runner, and these are this machine's own; leave it out"
        )
    if config.serve and options.runner is None:
        raise ConfigError(
            "[serve] answers on this machine's loopback, where another runner's workers are not; remove it"
        )
    mirrors = {prefix: stack.enter_context(serving(folder)) for prefix, folder in config.serve.items()}
    graph = BuildGraph(config, policy, meter, mirrors, asking)
    if options.runner is None:
        assert meter.folder is not None
        done = Elsewhere(options.pipeline, workers_within_s, coordinator).run(graph, Path(meter.folder), STAGES)
    else:
        done = run_graph(graph, options)
    return {**dict.fromkeys(COUNTED, 0), **done}


def _keep_record(release: Release, policy: Policy, done: dict[str, int]) -> None:
    """Write `builds/NNNNN.json`: which release a build made, how much it did that was not done before, and what became
    of every row of its sources."""
    store = release.store
    radius_bits = policy.duplicates.radius_bits
    record = {
        "release": release.path,
        "policy": digest_of(policy),
        "done": done,
        "outcomes": outcomes_of(release),
        "duplicates": {"radius_bits": radius_bits, "promised_recall": promised_recall(PLAN.bits, radius_bits)},
    }
    number = max((int(name.partition(".")[0]) for name in build_records(store)), default=-1) + 1
    write_json(store, layout.build_file(f"{number:05d}.json"), record)


def last_record(store: Store) -> dict[str, Any]:
    """Return what the last build of a corpus kept of itself."""
    return read_json(store, layout.build_file(build_records(store)[-1]))


def _keep_settings(config: CorpusConfig) -> None:
    """Write `corpus.toml`; refuse settings that the corpus on disk was not made with and that all facts follow from."""
    store = config.store
    pixels = config.pixels.model_dump(mode="json", exclude_none=True)
    num_packs = {source.name: source.num_packs for source in config.sources}
    before = read_settings(store)
    if store.exists(layout.PENDING):
        raise CorpusError(f"in {store.root} a takedown was begun and not completed; run: byline takedown apply")
    where = store.url(layout.CORPUS_FILE)
    defaults = PixelConfig().model_dump(mode="json", exclude_none=True)  # of keys that an older corpus does not name
    if {**defaults, **before.get("pixels", pixels)} != pixels:
        raise ConfigError(f"[pixels] differs from {where}; name a new root, every picture would be another")
    packs_before: dict[str, int] = before.get("num_packs", {})
    for name, number in num_packs.items():
        if packs_before.get(name, number) != number:
            raise ConfigError(
                f"source {name} has {packs_before[name]} packs in {where}, not {number}; "
                "records never move: keep the number or name a new root"
            )
    last = config.model_dump(mode="json", exclude_none=True)
    now = {"pixels": pixels, "num_packs": {**packs_before, **num_packs}, "last_build": last}
    # By release: a takedown makes each again under its own.
    denylists = {**before.get(DENYLISTS, {}), config.name: list(config.denylists)}
    write_settings(store, {**before, **now, DENYLISTS: denylists})
    load_denylist(store, config.denylists)  # before anything is built
    copy_evaluation_sets(config.evaluation_sets, store)
