"""Which pictures of a corpus have similar hashes, as the search left it on disk."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.digests import digest_of
from catalog.storage import Store
from dedup.neighbors import near_pairs
from pipelines.measures import CODE_SCHEMA, EDGE_INSTRUMENT, EDGE_SCHEMA, SEARCH_RADIUS_BITS, hash_facts
from pipelines.parts import PackPart

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Edges:
    """What is known of copies among the pictures of a corpus."""

    pairs: pa.Table
    """`EDGE_SCHEMA`"""
    recurring: pa.Table
    """`CODE_SCHEMA`: hashes that several pictures have."""


def suspect_words(pairs: pa.Table, recurring: pa.Table, radius_bits: int) -> npt.NDArray[np.uint64]:
    """Return, sorted, the first words of all hashes that recur or are within the radius of another one.

    A picture whose hash is not among them stands alone. (One whose hash is may too: a word is not a hash.)
    """
    within = pairs.filter(pc.less_equal(pairs["distance_bits"], radius_bits))
    return np.unique(np.concatenate([first_words(c) for c in (within["a"], within["b"], recurring["phash256"])]))


def first_words(codes: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Return the first 64 bits of each hash."""
    return np.ascontiguousarray(as_bytes(codes)[:, :8]).view(np.uint64)[:, 0]


def as_bytes(codes: pa.ChunkedArray) -> Codes:
    """Return a column of hashes as an array, `(N, bytes)`."""
    width = codes.type.byte_width
    blocks = [
        np.frombuffer(chunk.buffers()[1], np.uint8).reshape(-1, width)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in codes.chunks
        if len(chunk)
    ]
    return np.concatenate([np.zeros((0, width), np.uint8), *blocks])


def edges_stem(store: Store, parts: list[PackPart]) -> str:
    """Where the pairs among the pictures of these packs lie: named by their segments, since facts are only added."""
    facts = hash_facts(store)
    measured = [[part.pack, facts.num_segments(part.pack)] for part in sorted(parts)]
    return f"facts/edges/{EDGE_INSTRUMENT}/{digest_of(measured)[:16]}"


def read_edges(store: Store, parts: list[PackPart]) -> Edges:
    """Return the pairs among the pictures of these packs: those on disk, or else found now and not written."""
    stem = edges_stem(store, parts)
    if not store.exists(f"{stem}.pairs.parquet"):
        return search_edges(store, parts)
    return Edges(
        pairs=store.read_table(f"{stem}.pairs.parquet"), recurring=store.read_table(f"{stem}.recurring.parquet")
    )


def search_edges(store: Store, parts: list[PackPart]) -> Edges:
    """Find the pairs among the pictures of these packs. Minutes for ten million."""
    facts = hash_facts(store)
    codes = [as_bytes(facts.read(part.pack, ["phash256"])["phash256"]) for part in parts]
    return find_duplicates(np.concatenate([np.zeros((0, 32), np.uint8), *codes]))


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
