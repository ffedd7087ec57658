"""Search the vectors of a corpus for copies that no hash finds: crops, pictures with something pasted on them."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.facts import instrument_name
from byline.catalog.corpora.parts import PackPart
from byline.catalog.digests import digest_of
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.catalog.policies.policy import LEAST_COSINE
from byline.dedup.embedding.embedder import PLAIN_BELOW
from byline.pipelines.facts.edges import read_found
from byline.pipelines.facts.measures import MEASURED_QUALITY_INSTRUMENT, SIMILAR_SCHEMA, embedding_facts, quality_facts

Vectors = npt.NDArray[np.float16]


def is_compared(store: Store, parts: list[PackPart], instrument: str | None) -> bool:
    """Tell whether the vectors that these packs have by now were compared with each other."""
    return instrument is None or store.exists(similar_path(store, parts, instrument))


def similar_path(store: Store, parts: list[PackPart], instrument: str) -> str:
    """Where the pairs of similar pictures of these packs lie: named by their segments."""
    facts = embedding_facts(store, instrument)
    segments = [[part.pack, facts.num_segments(part.pack)] for part in sorted(parts)]
    made_with = [instrument, LEAST_COSINE, PLAIN_BELOW, MEASURED_QUALITY_INSTRUMENT]
    folder = layout.facts_folder("similar", instrument_name("similar", "1", made_with))
    return f"{folder}/{digest_of(segments)[:16]}.pairs.parquet"


def write_similar(store: Store, parts: list[PackPart], instrument: str | None) -> None:
    """Write the pairs of similar pictures of these packs, unless that was done."""
    if instrument is not None and not is_compared(store, parts, instrument):
        store.write_table(similar_path(store, parts, instrument), search_similar(store, parts, instrument))


def read_similar(store: Store, parts: list[PackPart], instrument: str) -> pa.Table:
    """Return the pairs of similar pictures (`SIMILAR_SCHEMA`): those on disk, or else found now and not written."""
    if is_compared(store, parts, instrument):
        return read_found(store, similar_path(store, parts, instrument), SIMILAR_SCHEMA)
    return search_similar(store, parts, instrument)


def search_similar(store: Store, parts: list[PackPart], instrument: str) -> pa.Table:
    """Return every pair of pictures whose cosine is at least `LEAST_COSINE`, sorted. Plain pictures are left out.

    Exact, and quadratic in the number of pictures. Raises `CorpusError` where a vector is damaged.
    """
    from byline.dedup.embedding.neighbors import similar_pairs

    digests, vectors = [], []
    for part in sorted(parts):
        sha256, vectors_ND = told_vectors(store, part.pack, instrument)
        if len(sha256):
            digests.append(sha256)
            vectors.append(vectors_ND)
    if not digests:
        return SIMILAR_SCHEMA.empty_table()
    sha256, first = np.unique(np.concatenate(digests), return_index=True)
    similar = similar_pairs(np.concatenate(vectors)[first], min_cosine=LEAST_COSINE)
    columns = [pa.array(sha256[similar["i"]]), pa.array(sha256[similar["j"]]), pa.array(similar["cosine"])]
    return pa.Table.from_arrays(columns, schema=SIMILAR_SCHEMA)


def told_vectors(store: Store, pack: str, instrument: str) -> tuple[npt.NDArray[np.str_], Vectors]:
    """Return the digests and the vectors of the pictures of a pack that are not plain."""
    facts = embedding_facts(store, instrument)
    table = facts.read(pack)
    quality = quality_facts(store).read(pack, ["contrast"])
    contrast = quality["contrast"].take(pc.index_in(table["sha256"], value_set=quality["sha256"]))
    try:
        vectors_ND = _as_vectors(table["vector"])
    except ValueError as error:
        where = store.url(f"{facts.folder}/{pack}.*.parquet")
        raise CorpusError(f"{where} holds damaged vectors ({error}); delete these files and build again") from error
    is_told = pc.fill_null(pc.greater_equal(contrast, PLAIN_BELOW), False)
    return table["sha256"].filter(is_told).to_numpy().astype(str), vectors_ND[is_told.to_numpy()]


def _as_vectors(column: pa.ChunkedArray) -> Vectors:
    """Return a column of vectors as an array, `(N, D)`. Raises `ValueError` for one that is missing or no unit."""
    if missing := column.null_count:
        raise ValueError(f"{missing} of them are missing")
    sizes = pc.unique(pc.binary_length(column)).to_pylist()
    if len(sizes) > 1 or any(size % 2 for size in sizes):
        raise ValueError(f"they have {' and '.join(map(str, sorted(sizes)))} bytes")
    vectors_ND = np.frombuffer(b"".join(column.to_pylist()), "<f2").reshape(len(column), -1 if sizes else 0)
    lengths = np.linalg.norm(vectors_ND.astype(np.float32), axis=1)
    if wrong := int((~(np.abs(lengths - 1) < 0.01)).sum()):
        raise ValueError(f"{wrong} of them have another length than 1")
    return vectors_ND
