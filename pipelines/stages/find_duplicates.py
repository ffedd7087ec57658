"""Find all pairs of similar pictures in the corpus. A pair is a fact; who stays is judged later."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection

from catalog.digests import sha256_hex
from catalog.storage import Store
from dedup.neighbors import near_pairs
from pipelines.measures import EDGE_INSTRUMENT, EDGE_SCHEMA, SEARCH_RADIUS_BITS, hash_facts
from pipelines.parts import PackPart
from pipelines.progress import Meter


def find_duplicates(codes: list[bytes]) -> pa.Table:
    """Return every pair at most `SEARCH_RADIUS_BITS` apart among distinct, sorted 256-bit hashes."""
    code_N32 = np.frombuffer(b"".join(codes), dtype=np.uint8).reshape(-1, 32)
    pairs = near_pairs(code_N32, radius_bits=SEARCH_RADIUS_BITS)
    sides = [pa.array([codes[i] for i in pairs[side]], pa.binary(32)) for side in ("i", "j")]
    return pa.Table.from_arrays([*sides, pa.array(pairs["distance"], pa.int32())], schema=EDGE_SCHEMA)


def distinct_hashes(parts: list[PackPart], store: Store) -> list[bytes]:
    """Return the distinct 256-bit hashes of all pictures of the packs, sorted."""
    facts = hash_facts(store)
    return sorted({code for part in parts for code in facts.read(part.pack)["phash256"].to_pylist()})


def edges_path(codes: list[bytes]) -> str:
    """Where the pairs among exactly these hashes lie."""
    return f"facts/edges/{EDGE_INSTRUMENT}/{sha256_hex(b''.join(codes))[:16]}.parquet"


def find_all_duplicates(parts: list[PackPart], store: Store, meter: Meter) -> list[PackPart]:
    """Write the pairs of the whole corpus, unless these very hashes were searched before."""
    with meter.pack("find duplicates", sum(part.num_records for part in parts)):
        codes = distinct_hashes(parts, store)
        path = edges_path(codes)
        if not store.exists(path):
            store.write_table(path, find_duplicates(codes))
    return parts


class FindDuplicates(beam.PTransform[PCollection[list[PackPart]], PCollection[list[PackPart]]]):
    """PCollection[list of every PackPart], one element -> the same, with all pairs on disk."""

    def __init__(self, store: Store, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, meter)

    def expand(self, everything: PCollection[list[PackPart]]) -> PCollection[list[PackPart]]:
        return everything | "Search" >> beam.Map(find_all_duplicates, *self.arguments)
