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
from pipelines.parts import PackPart
from pipelines.progress import Meter
from pipelines.stages.caption import WriteCaptions
from pipelines.stages.fetch import Fetch
from pipelines.stages.find_duplicates import FindDuplicates
from pipelines.stages.ingest import Ingest
from pipelines.stages.judge import CaptionSource, Judge
from pipelines.stages.judge_claims import JudgeClaims
from pipelines.stages.measure import Measure
from pipelines.stages.publish import Publish
from pipelines.stages.write_shards import WriteShards

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
        captioner = make_captioner(config.caption)
        captions = CaptionSource(captioner.instrument, captioner.needs_pixels)
        measured = (
            pipeline
            | "Sources" >> beam.Create(list(config.sources))
            | "Ingest" >> Ingest(store, meter)
            | "Spread" >> beam.Reshuffle()
            | "JudgeClaims" >> JudgeClaims(store, policy, meter)
            | "Fetch" >> Fetch(store, config.pixels, fetch, meter)
            | "Measure" >> Measure(store, meter)
            | "AllMeasured" >> _AllParts()
            | "FindDuplicates" >> FindDuplicates(store, meter)
        )
        judged = (
            measured
            | "ToCaption" >> _EachPart()
            | "WriteCaptions" >> WriteCaptions(store, config.caption, policy, meter)
            | "AllCaptioned" >> _AllParts()
            | "Judge" >> Judge(store, policy, captions, meter)
        )
        return (
            judged
            | "ToWrite" >> _EachPart()
            | "WriteShards" >> WriteShards(store, captions, meter)
            | "Publish"
            >> Publish(
                judged,
                store=store,
                name=config.name,
                policy=policy,
                instruments=instruments(config, captioner.instrument),
                changes=changes(config),
            )
        )


def instruments(config: CorpusConfig, captioner: str) -> dict[str, str]:
    """Name what every fact of a release was measured with."""
    return {
        "pixels": instrument_name("img2dataset", version("img2dataset"), config.pixels),
        "hashes": FINGERPRINT_INSTRUMENT,
        "quality": QUALITY_INSTRUMENT,
        "edges": EDGE_INSTRUMENT,
        "captions": captioner,
    }


def changes(config: CorpusConfig) -> str:
    """Say, as the licenses ask, what was done to the pictures."""
    pixels = config.pixels
    if pixels.resize_mode == "no":
        return f"converted to JPEG (quality {pixels.encode_quality}) on white"
    return (
        f"resized to {pixels.image_size} px at most ({pixels.resize_mode}) "
        f"and converted to JPEG (quality {pixels.encode_quality}) on white"
    )
