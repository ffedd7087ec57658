"""Write the shards of every pack. `pipelines.releases.shard_writing` says how."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from byline.catalog.corpora.manifest import Shard
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.progress import Meter
from byline.pipelines.beam.beats import count_done
from byline.pipelines.beam.cores import OnAnyCore
from byline.pipelines.facts.rows import Instruments
from byline.pipelines.releases.shard_writing import Earlier, write_shards_of


def write_and_count(
    part: PackPart, store: Store, instruments: Instruments, earlier: Earlier, meter: Meter
) -> Iterator[Shard]:
    """Yield the shards of one pack, and count those that had to be written."""
    with meter.pack("write shards", part.num_records):
        for written in write_shards_of(part, store, instruments, earlier):
            if written.is_new:
                meter.work("write shards")
                count_done("shards written", 1)
                count_done("shard bytes written", written.shard.num_bytes)
            yield written.shard


class WritePack(beam.DoFn):
    """Writes the shards of a pack; `write_and_count` has the arguments."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def process(self, part: PackPart) -> Iterator[Shard]:
        """Yield the shards of a pack."""
        yield from write_and_count(part, *self.arguments)


class WriteShards(beam.PTransform[PCollection[PackPart], PCollection[Shard]]):
    """PCollection[PackPart] -> PCollection[Shard]."""

    def __init__(self, store: Store, instruments: Instruments, earlier: Earlier, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, instruments, earlier, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[Shard]:
        return parts | "Write" >> beam.ParDo(OnAnyCore(WritePack(*self.arguments)))
