"""Publish the release once all its shards are there. `pipelines.releases.publishing` says what that is."""

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, PCollection
from apache_beam.transforms.combiners import ToList

from byline.catalog.corpora.manifest import Shard
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.policies.policy import Policy
from byline.catalog.progress import Meter
from byline.pipelines.releases.publishing import Settings, publish


def publish_at_work(
    shards: list[Shard], parts: list[PackPart], store: Store, policy: Policy, settings: Settings, meter: Meter
) -> str:
    """Publish, and say that this process is at it."""
    with meter.at_work("publish"):
        return publish(shards, parts, store, policy, settings)


class Publish(beam.PTransform[PCollection[Shard], PCollection[str]]):
    """PCollection[Shard] -> PCollection[str], one element: the version of the release."""

    def __init__(
        self, everything: PCollection[list[PackPart]], store: Store, policy: Policy, settings: Settings, meter: Meter
    ) -> None:
        super().__init__()
        self.everything, self.arguments = everything, (store, policy, settings, meter)

    def expand(self, shards: PCollection[Shard]) -> PCollection[str]:
        parts = AsSingleton(self.everything)
        return shards | "Collect" >> ToList() | "Publish" >> beam.Map(publish_at_work, parts, *self.arguments)
