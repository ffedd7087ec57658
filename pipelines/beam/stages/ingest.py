"""Read each source into records, sorted by pack. A source file that was ingested already is not read again."""

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.pvalue import PCollection

from byline.catalog.corpora.parts import PackPart, parts_of
from byline.catalog.corpora.url_index import URL_COLUMNS, renew_url_index
from byline.catalog.denylists.lists import load_denylist
from byline.catalog.disk.storage import Store
from byline.catalog.progress import NOTHING_COUNTED, TOTAL, Meter
from byline.pipelines.beam.beats import count_done
from byline.pipelines.releases.outcomes import READ_ANEW
from byline.pipelines.sources.brought import brought_here
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.ingested import records_path
from byline.pipelines.sources.ingesting import write_run
from byline.pipelines.sources.readers import read_source
from byline.pipelines.sources.readers.taken import names_taken


def ingest(
    source: SourceConfig, store: Store, denylists: Sequence[str] = (), meter: Meter = NOTHING_COUNTED
) -> list[PackPart]:
    """Return the packs of a source, in order, reading its file only when this version of it was not ingested yet.

    What was taken down, here or in the corpora that `denylists` name, does not become a record.
    """
    path = records_path(source, denylists, store, keep=True)
    if not store.exists(path):
        meter.work("ingest")
        with brought_here(source.path, store) as here:
            taken = here.told(lambda: names_taken(source.reader, here.path, source.options))
            rows = here.rows(read_source(source.reader, here.path, source.name, source.options))
            denylist, not_used = load_denylist(store, denylists), taken.not_used if taken else None
            counts = write_run(rows, store, path, denylist, num_packs=source.num_packs, not_used=not_used)
        count_done("ingested", counts.records + counts.unreadable)
        count_done(f"{READ_ANEW}{source.name}", counts.records + counts.unreadable)
        for kind, number in counts.left_out.items():
            count_done(f"left out: {kind}", number)
    parts = parts_of(store, path)
    renew_url_index(store, path, (part.read_records(store, list(URL_COLUMNS)) for part in parts))
    return parts


def ingest_and_count(source: SourceConfig, store: Store, denylists: Sequence[str], meter: Meter) -> list[PackPart]:
    """Do the same, and count the records of the source."""
    parts = ingest(source, store, denylists, meter)
    num_records = sum(part.num_records for part in parts)
    meter.add(TOTAL, num_records)
    meter.add("ingest", num_records)
    return parts


class Ingest(beam.PTransform[PCollection[SourceConfig], PCollection[PackPart]]):
    """PCollection[SourceConfig] -> PCollection[PackPart]."""

    def __init__(self, store: Store, denylists: Sequence[str], meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, denylists, meter)

    def expand(self, sources: PCollection[SourceConfig]) -> PCollection[PackPart]:
        return sources | "Read" >> beam.FlatMap(ingest_and_count, *self.arguments)
