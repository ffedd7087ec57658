"""Find all pairs of similar pictures in the corpus. A pair is a fact; who stays is judged later."""

import apache_beam as beam
from apache_beam.pvalue import PCollection

from catalog.storage import Store
from pipelines.edges import edges_stem, search_edges
from pipelines.parts import PackPart
from pipelines.progress import Meter


def find_all_duplicates(parts: list[PackPart], store: Store, meter: Meter) -> list[PackPart]:
    """Write the pairs of the whole corpus, unless these very pictures were searched before."""
    with meter.pack("find duplicates", sum(part.num_records for part in parts)):
        stem = edges_stem(store, parts)
        if not store.exists(f"{stem}.pairs.parquet"):
            edges = search_edges(store, parts)
            store.write_table(f"{stem}.recurring.parquet", edges.recurring)
            store.write_table(f"{stem}.pairs.parquet", edges.pairs)
    return parts


class FindDuplicates(beam.PTransform[PCollection[list[PackPart]], PCollection[list[PackPart]]]):
    """PCollection[list of every PackPart], one element -> the same, with all pairs on disk."""

    def __init__(self, store: Store, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, meter)

    def expand(self, everything: PCollection[list[PackPart]]) -> PCollection[list[PackPart]]:
        return everything | "Search" >> beam.Map(find_all_duplicates, *self.arguments)
