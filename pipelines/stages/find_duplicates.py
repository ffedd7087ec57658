"""Find all pairs of similar pictures in the corpus. A pair is a fact; who stays is judged later."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection

from catalog.storage import Store
from dedup.neighbors import near_pairs
from pipelines.edges import Codes, Edges, as_bytes, edges_stem
from pipelines.measures import CODE_SCHEMA, EDGE_SCHEMA, SEARCH_RADIUS_BITS, hash_facts
from pipelines.parts import PackPart
from pipelines.progress import Meter


def find_duplicates(code_N32: Codes) -> Edges:
    """Return every pair of distinct hashes at most `SEARCH_RADIUS_BITS` apart, and the hashes that recur."""
    whole = np.ascontiguousarray(code_N32).view("V32")[:, 0]
    distinct, times = np.unique(whole, return_counts=True)
    codes = distinct.view(np.uint8).reshape(-1, 32)
    pairs = near_pairs(codes, radius_bits=SEARCH_RADIUS_BITS)
    sides = [_column(codes[pairs[side]]) for side in ("i", "j")]
    return Edges(
        pairs=pa.Table.from_arrays([*sides, pa.array(pairs["distance"], pa.int32())], schema=EDGE_SCHEMA),
        recurring=pa.Table.from_arrays([_column(codes[times > 1])], schema=CODE_SCHEMA),
    )


def _column(codes: Codes) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(32), len(codes), [None, pa.py_buffer(np.ascontiguousarray(codes).tobytes())]
    )


def find_all_duplicates(parts: list[PackPart], store: Store, meter: Meter) -> list[PackPart]:
    """Write the pairs of the whole corpus, unless these very pictures were searched before."""
    with meter.pack("find duplicates", sum(part.num_records for part in parts)):
        stem = edges_stem(store, parts)
        if not store.exists(f"{stem}.pairs.parquet"):
            facts = hash_facts(store)
            codes = [as_bytes(facts.read(part.pack, ["phash256"])["phash256"]) for part in parts]
            edges = find_duplicates(np.concatenate([np.zeros((0, 32), np.uint8), *codes]))
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
