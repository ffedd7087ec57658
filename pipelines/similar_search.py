"""Search the vectors of a corpus for copies that no hash finds: crops, pictures with something pasted on them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.digests import digest_of
from catalog.facts import instrument_name
from catalog.policy import LEAST_COSINE
from catalog.storage import Store
from dedup.embedding.embedder import PLAIN_BELOW
from pipelines.measures import SIMILAR_SCHEMA, embedding_facts, quality_facts
from pipelines.parts import PackPart


def is_compared(store: Store, parts: list[PackPart], instrument: str | None) -> bool:
    """Tell whether the vectors of these packs, if there are any, were compared with each other as they are now."""
    return instrument is None or store.exists(similar_path(store, parts, instrument))


def similar_path(store: Store, parts: list[PackPart], instrument: str) -> str:
    """Where the pairs of similar pictures of these packs lie: named by their segments."""
    facts = embedding_facts(store, instrument)
    segments = [[part.pack, facts.num_segments(part.pack)] for part in sorted(parts)]
    searched_by = instrument_name("similar", "1", [instrument, LEAST_COSINE, PLAIN_BELOW])
    return f"facts/similar/{searched_by}/{digest_of(segments)[:16]}.pairs.parquet"


def write_similar(store: Store, parts: list[PackPart], instrument: str | None) -> None:
    """Write the pairs of similar pictures of these packs, unless that was done."""
    if instrument is not None and not is_compared(store, parts, instrument):
        store.write_table(similar_path(store, parts, instrument), search_similar(store, parts, instrument))


def read_similar(store: Store, parts: list[PackPart], instrument: str) -> pa.Table:
    """Return the pairs of similar pictures (`SIMILAR_SCHEMA`): those on disk, or else found now and not written."""
    if is_compared(store, parts, instrument):
        return store.read_table(similar_path(store, parts, instrument))
    return search_similar(store, parts, instrument)


def search_similar(store: Store, parts: list[PackPart], instrument: str) -> pa.Table:
    """Return every pair of pictures whose cosine is at least `LEAST_COSINE`, sorted. Plain pictures are left out.

    Exact, and quadratic in the number of pictures.
    """
    from dedup.embedding.neighbors import similar_pairs

    digests, vectors = [], []
    for part in sorted(parts):
        table = embedding_facts(store, instrument).read(part.pack)
        quality = quality_facts(store).read(part.pack, ["contrast"])
        contrast = quality["contrast"].take(pc.index_in(table["sha256"], value_set=quality["sha256"]))
        table = table.filter(pc.fill_null(pc.greater_equal(contrast, PLAIN_BELOW), False))
        digests.append(table["sha256"].to_numpy(zero_copy_only=False))
        vectors += [np.frombuffer(vector, "<f2") for vector in table["vector"].to_pylist()]
    sha256, first = np.unique(np.concatenate([np.zeros(0, object), *digests]).astype(str), return_index=True)
    if not len(sha256):
        return SIMILAR_SCHEMA.empty_table()
    found = similar_pairs(np.stack(vectors)[first], min_cosine=LEAST_COSINE)
    columns = [pa.array(sha256[found["i"]]), pa.array(sha256[found["j"]]), pa.array(found["cosine"])]
    return pa.Table.from_arrays(columns, schema=SIMILAR_SCHEMA)
