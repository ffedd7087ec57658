"""THE list of stages, in the order in which a build runs them."""

from dataclasses import dataclass
from importlib.metadata import version

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.combiners import ToList

from captioning import make_captioner
from catalog.facts import instrument_name
from catalog.policy import Policy
from dedup.quality import QUALITY_INSTRUMENT
from pipelines.config import CorpusConfig
from pipelines.measures import EDGE_INSTRUMENT, FINGERPRINT_INSTRUMENT
from pipelines.papers.tools import tools_of
from pipelines.parts import PackPart
from pipelines.progress import Meter
from pipelines.publishing import Settings
from pipelines.stages.caption import WriteCaptions
from pipelines.stages.fetch import Fetch
from pipelines.stages.find_duplicates import FindDuplicates
from pipelines.stages.ingest import Ingest
from pipelines.stages.judge import Judge
from pipelines.stages.judge_claims import JudgeClaims
from pipelines.stages.measure import Measure
from pipelines.stages.publish import Publish
from pipelines.stages.write_shards import WriteShards, earlier_shards

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
"""As the progress bars name them; `publish` follows and takes no time."""


class _AllParts(beam.PTransform[PCollection[PackPart], PCollection[list[PackPart]]]):
    """PCollection[PackPart] -> PCollection[list[PackPart]], one sorted element, once every pack has come through."""

    def expand(self, parts: PCollection[PackPart]) -> PCollection[list[PackPart]]:
        return parts | ToList() | "Sort" >> beam.Map(sorted)


class _EachPart(beam.PTransform[PCollection[list[PackPart]], PCollection[PackPart]]):
    """PCollection[list[PackPart]] -> PCollection[PackPart], spread over the workers again."""

    def expand(self, everything: PCollection[list[PackPart]]) -> PCollection[PackPart]:
        return everything | "Each" >> beam.FlatMap(list) | "Spread" >> beam.Reshuffle()


@dataclass(frozen=True)
class BuildGraph:
    """Everything that a build needs to know; `apply` adds its stages to a pipeline."""

    config: CorpusConfig
    policy: Policy
    meter: Meter
    mirrors: dict[str, str]

    def apply(self, pipeline: beam.Pipeline) -> PCollection[str]:
        """Add all stages; the result is one element, the version of the release."""
        config, policy, meter, store = self.config, self.policy, self.meter, self.config.store
        fetch = config.fetch.model_copy(update={"mirrors": {**config.fetch.mirrors, **self.mirrors}})
        made_with = settings(config, policy)
        instruments = made_with.instruments
        measured = (
            pipeline
            | "Sources" >> beam.Create(list(config.sources))
            | "Ingest" >> Ingest(store, config.denylists, meter)
            | "Spread" >> beam.Reshuffle()
            | "JudgeClaims" >> JudgeClaims(store, policy, meter)
            | "Fetch" >> Fetch(store, config.pixels, fetch, config.denylists, meter)
            | "Measure" >> Measure(store, config.safety, meter)
            | "AllMeasured" >> _AllParts()
            | "FindDuplicates" >> FindDuplicates(store, meter)
        )
        judged = (
            measured
            | "ToCaption" >> _EachPart()
            | "WriteCaptions" >> WriteCaptions(store, config.caption, policy, instruments, meter)
            | "AllCaptioned" >> _AllParts()
            | "Judge" >> Judge(store, policy, instruments, config.denylists, meter)
        )
        return (
            judged
            | "ToWrite" >> _EachPart()
            | "WriteShards" >> WriteShards(store, instruments, earlier_shards(store), meter)
            | "Publish" >> Publish(judged, store, policy, made_with)
        )


def settings(config: CorpusConfig, policy: Policy) -> Settings:
    """Say what a release of this config is made with."""
    instruments = config.instruments
    made_by = vars(make_captioner(config.caption).attributed(""))
    weights = [("captioner", made_by["model"]), *sorted(config.weights.items())]
    return Settings(
        name=config.name,
        instruments=instruments,
        measured={
            "pixels": instrument_name("img2dataset", version("img2dataset"), config.pixels),
            "hashes": FINGERPRINT_INSTRUMENT,
            "quality": QUALITY_INSTRUMENT,
            "edges": EDGE_INSTRUMENT,
            "captions": instruments.captions,
            **({"safety": instruments.safety} if instruments.safety else {}),
        },
        readers={source.name: source.reader for source in config.sources},
        captioner={name: made_by[name] for name in ("model", "revision", "prompt", "decoding")},
        tools=tools_of(weights, families=policy.license.families),
        changes=changes(config),
    )


def changes(config: CorpusConfig) -> str:
    """Say, as the licenses ask, what was done to the pictures."""
    pixels = config.pixels
    if pixels.resize_mode == "no":
        return f"converted to JPEG (quality {pixels.encode_quality}) on white"
    return (
        f"resized to {pixels.image_size} px at most ({pixels.resize_mode}) "
        f"and converted to JPEG (quality {pixels.encode_quality}) on white"
    )
