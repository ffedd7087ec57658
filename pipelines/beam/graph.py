"""THE list of stages, in the order in which a build runs them."""

from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.combiners import ToList

from byline.catalog.corpora.parts import PackPart
from byline.catalog.policies.policy import Policy
from byline.catalog.progress import Meter
from byline.pipelines.beam.stages.caption import WriteCaptions
from byline.pipelines.beam.stages.fetch import Fetch
from byline.pipelines.beam.stages.find_duplicates import FindDuplicates
from byline.pipelines.beam.stages.ingest import Ingest
from byline.pipelines.beam.stages.judge import Judge
from byline.pipelines.beam.stages.judge_claims import JudgeClaims
from byline.pipelines.beam.stages.measure import Measure, Measured
from byline.pipelines.beam.stages.publish import Publish
from byline.pipelines.beam.stages.write_shards import WriteShards
from byline.pipelines.corpora.config import CorpusConfig
from byline.pipelines.corpora.settings import settings
from byline.pipelines.facts.attempts import Asking
from byline.pipelines.fetching.coordination.reach import Reach
from byline.pipelines.releases.shard_writing import earlier_shards


class _AllParts(beam.PTransform[PCollection[PackPart], PCollection[list[PackPart]]]):
    """PCollection[PackPart] -> PCollection[list[PackPart]], one sorted element, once every pack has come through."""

    def expand(self, parts: PCollection[PackPart]) -> PCollection[list[PackPart]]:
        return parts | ToList() | "Sort" >> beam.Map(sorted)


class _EachPart(beam.PTransform[PCollection[list[PackPart]], PCollection[PackPart]]):
    """PCollection[list[PackPart]] -> PCollection[PackPart], spread over the workers again."""

    def expand(self, everything: PCollection[list[PackPart]]) -> PCollection[PackPart]:
        return everything | "Each" >> beam.FlatMap(list) | "Spread" >> beam.Reshuffle()


def imported(part: PackPart) -> PackPart:
    """Return a pack, by a worker that has imported all stages, since it has imported this."""
    return part


@dataclass(frozen=True)
class BuildGraph:
    """Everything that a build needs to know; `apply` adds its stages to a pipeline."""

    config: CorpusConfig
    policy: Policy
    meter: Meter
    mirrors: dict[str, str]
    asking: Asking
    parts: tuple[PackPart, ...] | None = None
    """The packs of sources that were ingested already; by default the workers ingest them."""
    coordinator: Reach | None = None
    """Who keeps hosts' limits for workers on several machines; by default each machine does."""

    def apply(self, pipeline: beam.Pipeline) -> PCollection[str]:
        """Add all stages; the result is one element, the version of the release."""
        config, policy, meter, store = self.config, self.policy, self.meter, self.config.store
        fetch = config.fetch.model_copy(update={"mirrors": {**config.fetch.mirrors, **self.mirrors}})
        made_with = settings(config, policy)
        instruments = made_with.instruments
        measured = Measured(safety=config.safety, embedding=config.embedding, pdq=config.pdq, metrics=config.metrics)
        asked_by = (self.asking, self.coordinator)
        compared = (
            self._packs(pipeline)
            | "Spread" >> beam.Reshuffle()
            | "JudgeClaims" >> JudgeClaims(store, policy, meter)
            | "Fetch" >> Fetch(store, config.pixels, fetch, config.denylists, meter, self.mirrors, *asked_by)
            | "Measure" >> Measure(store, meter, measured)
            | "AllMeasured" >> _AllParts()
            | "FindDuplicates" >> FindDuplicates(store, config.compared_by(policy), meter)
        )
        judged = (
            compared
            | "ToCaption" >> _EachPart()
            | "WriteCaptions" >> WriteCaptions(store, config.caption_configs, policy, instruments, meter)
            | "AllCaptioned" >> _AllParts()
            | "Judge" >> Judge(store, policy, instruments, config.denylists, meter)
        )
        return (
            judged
            | "ToWrite" >> _EachPart()
            | "WriteShards" >> WriteShards(store, instruments, earlier_shards(store), meter)
            | "Publish" >> Publish(judged, store, policy, made_with, meter)
        )

    def _packs(self, pipeline: beam.Pipeline) -> PCollection[PackPart]:
        if self.parts is not None:
            packs = pipeline | "Packs" >> beam.Create(self.parts, reshuffle=False)
            return packs | "Import" >> beam.Map(imported)
        sources = pipeline | "Sources" >> beam.Create(list(self.config.sources))
        return sources | "Ingest" >> Ingest(self.config.store, self.config.denylists, self.meter)
