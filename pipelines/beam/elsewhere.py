"""Run a build on a runner and workers that are not ours, which may share nothing with this process but the store.

People's files lie here, so sources are read here. All the rest is done by the workers, who are asked first what they
are; what they tell of themselves comes through the store.
"""

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import apache_beam as beam
import pyarrow.compute as pc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk import layout
from byline.pipelines.beam.beats import TellingMeter, tallied
from byline.pipelines.beam.graph import BuildGraph
from byline.pipelines.beam.listening import Listener, listening
from byline.pipelines.beam.preflight import Question, ask_workers
from byline.pipelines.beam.running import counters_of, made_pipeline, quiet_threads, raised_by_worker
from byline.pipelines.beam.stages.ingest import ingest_and_count
from byline.pipelines.beam.submitting import GO_ON, Submission, in_a_line, quiet_runner, reach_job_service
from byline.pipelines.fetching.coordination.reach import LOOPBACK, Reach, own_addresses, read_address
from byline.pipelines.fetching.coordination.server import coordinating


@dataclass(frozen=True)
class Elsewhere:
    """Where a build runs: Beam's options, and how long it waits for the first worker."""

    options: PipelineOptions
    workers_within_s: float
    coordinator: str | None = None
    """HOST or HOST:PORT under which workers reach this machine; by default they try the addresses that it has."""

    def run(self, graph: BuildGraph, progress: Path, stages: Sequence[str]) -> dict[str, int]:
        """Run the graph, and return what was really done. `progress` is the folder that the bars are drawn from.

        Raises a `BylineError` of one line, which says who was at what and what to do, for all that is not our fault.
        """
        store, run = graph.config.store, f"{layout.BEATS}/{secrets.token_hex(8)}"
        with (
            quiet_runner(),
            quiet_threads(),
            listening(store, run, progress, stages) as listener,
            self._coordinating(graph, progress) as reach,
        ):
            graph = replace(graph, coordinator=reach)
            self._ask(graph, run, {})
            with tallied() as own:
                parts = list(_ingested(graph))
            listener.num_records = sum(part.num_records for part in parts)
            if held := _held(graph, parts):
                self._ask(graph, run, held)
            meter = TellingMeter(folder=graph.meter.folder, scratch=graph.meter.scratch, store=store, run=run)
            pipeline = made_pipeline(None, self.options)
            replace(graph, meter=meter, parts=tuple(parts)).apply(pipeline)
            self._submit(pipeline, listener)
        done = counters_of(pipeline) or listener.counted
        return dict(sorted((Counter(own) + Counter(done)).items()))

    def _coordinating(self, graph: BuildGraph, progress: Path) -> AbstractContextManager[Reach]:
        """Keep hosts' limits for the workers, which are this process where Beam's environment is LOOPBACK."""
        portable = self.options.view_as(PortableOptions)
        is_open = portable.environment_type != "LOOPBACK"
        host, port = read_address(self.coordinator) if self.coordinator else (None, 0)
        others = (
            [endpoint for endpoint in (portable.job_endpoint, portable.environment_config) if endpoint]
            if is_open
            else []
        )
        addresses = [host] if host else own_addresses(others) if is_open else [LOOPBACK]
        return coordinating(graph.config.fetch, progress / "found", addresses=addresses, port=port, is_open=is_open)

    def _ask(self, graph: BuildGraph, run: str, held: dict[str, str]) -> None:
        question = Question(graph.config, graph.policy, run, held, graph.coordinator)
        try:
            reach_job_service(self.options)
            ask_workers(question, made_pipeline(None, self.options), within_s=self.workers_within_s)
        except Exception as error:
            self._tell(error, None)
            raise

    def _submit(self, pipeline: beam.Pipeline, listener: Listener) -> None:
        def why_stop() -> str | None:
            lost = listener.lost()
            return f"a worker is gone and nobody else is at work: {lost}; {GO_ON}" if lost else None

        try:
            Submission(pipeline).wait(why_stop)
        except Exception as error:
            self._tell(error, listener.last_told(anew=True))
            raise

    def _tell(self, error: Exception, at_work: str | None) -> None:
        """Raise what people are told instead of what Beam raised, if there is something."""
        raised_by_worker(error)
        if byline_error := in_a_line(error, self.options, at_work):
            raise byline_error from error


def _ingested(graph: BuildGraph) -> Iterator[PackPart]:
    for source in graph.config.sources:
        yield from ingest_and_count(source, graph.config.store, graph.config.denylists, graph.meter)


def _held(graph: BuildGraph, parts: list[PackPart]) -> dict[str, str]:
    """Return source -> where one of its pictures lies, of sources that have them in files."""
    held_by_source: dict[str, str] = {}
    for part in parts:
        if part.source not in held_by_source:
            places = pc.drop_null(part.read_records(graph.config.store, ["held"])["held"])
            if len(places):
                held_by_source[part.source] = places[0].as_py()
    return held_by_source
