"""Which pictures of a corpus have similar hashes, as `pipelines.facts.edge_search` left it on disk."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.parts import PackPart
from byline.catalog.digests import digest_of
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.pipelines.facts.measures import CODE_SCHEMA, EDGE_INSTRUMENT, EDGE_SCHEMA, hash_facts

FOLDER = layout.facts_folder("edges", EDGE_INSTRUMENT)
_EACH = np.uint64(0x0101010101010101)
"""Bit 0 of each byte of a word."""
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Edges:
    """What is known of copies among the pictures of a corpus."""

    pairs: pa.Table
    """The pairs, as a table of `EDGE_SCHEMA`."""
    recurring: pa.Table
    """Hashes that several pictures have, as a table of `CODE_SCHEMA`."""


def suspect_words(pairs: pa.Table, recurring: pa.Table, radius_bits: int) -> npt.NDArray[np.uint64]:
    """Return, sorted, the first words of all hashes that recur or are within the radius of another one.

    A picture whose hash is not among them stands alone. (One whose hash is may too: a word is not a hash.)
    """
    within = pairs.filter(pc.less_equal(pairs["distance_bits"], radius_bits))
    return np.unique(np.concatenate([first_words(c) for c in (within["a"], within["b"], recurring["phash256"])]))


def similar_words(similar: pa.Table | None, min_cosine: float | None) -> npt.NDArray[np.uint64]:
    """Return, sorted, the first words of the digests of all pictures that an embedding finds alike."""
    if similar is None or min_cosine is None:
        return np.zeros(0, np.uint64)
    within = similar.filter(pc.greater_equal(similar["cosine"], min_cosine))
    return np.unique(np.concatenate([first_word(within[side]) for side in ("a", "b")]))


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """First words of hashes that a look tells from almost all others: most pictures are alone."""

    words: npt.NDArray[np.uint64]
    """The first words, sorted."""
    may_be: npt.NDArray[np.bool_]
    """Whether any word has these low bits; the array is small enough for a processor's cache."""

    def has(self, words: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Tell which words are among them."""
        is_member = np.asarray(self.may_be[words & np.uint64(len(self.may_be) - 1)], np.bool_)
        rows = np.flatnonzero(is_member)
        if len(rows) and len(self.words):
            places = np.minimum(np.searchsorted(self.words, words[rows]), len(self.words) - 1)
            is_member[rows] = self.words[places] == words[rows]
        return is_member


def suspects_of(words: npt.NDArray[np.uint64]) -> Suspects:
    may_be = np.zeros(1 << 22, np.bool_)
    may_be[words & np.uint64(len(may_be) - 1)] = True
    return Suspects(words=words, may_be=may_be)


def first_words(codes: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Return the first 64 bits of each hash."""
    return np.ascontiguousarray(as_bytes(codes)[:, :8]).view(np.uint64)[:, 0]


def first_word(digests: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Return the first 64 bits of each SHA-256, which is given in hex; 0 where there is none."""
    characters = digits_of(pc.fill_null(digests, "0" * 64))[:, :16]
    ascii_8 = np.ascontiguousarray(characters).view(">u8").astype(np.uint64)
    digits = (ascii_8 & _EACH * np.uint64(0x0F)) + (ascii_8 >> 6 & _EACH) * np.uint64(9)  # letters have bit 6
    for shift, keep in ((4, 0x00FF00FF00FF00FF), (8, 0x0000FFFF0000FFFF), (16, 0xFFFFFFFF)):
        digits = (digits | digits >> shift) & np.uint64(keep)
    return np.asarray(digits[:, 0] << 32 | digits[:, 1], np.uint64)


def digits_of(digests: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """Return the characters of SHA-256s in hex as an array, `(N, 64)`: not copied, where the column is one chunk."""
    blocks = [_digits(chunk) for chunk in digests.chunks if len(chunk)]
    return blocks[0] if len(blocks) == 1 else np.concatenate([np.zeros((0, 64), np.uint8), *blocks])


def _digits(chunk: pa.Array) -> npt.NDArray[np.uint8]:
    _, offsets, data = chunk.buffers()
    offset_type = np.int64 if pa.types.is_large_string(chunk.type) else np.int32
    ends = np.frombuffer(offsets, offset_type)[chunk.offset : chunk.offset + len(chunk) + 1]
    assert (np.diff(ends) == 64).all()
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].reshape(-1, 64)


def as_bytes(codes: pa.ChunkedArray) -> Codes:
    """Return a column of hashes as an array, `(N, bytes)`."""
    width = codes.type.byte_width
    blocks = [
        np.frombuffer(chunk.buffers()[1], np.uint8).reshape(-1, width)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in codes.chunks
        if len(chunk)
    ]
    if len(blocks) == 1:
        return blocks[0]  # not copied: a file that is mapped stays one that processes share
    return np.concatenate([np.zeros((0, width), np.uint8), *blocks])


def edges_stem(store: Store, parts: list[PackPart]) -> str:
    """Where the pairs among the pictures of these packs lie: named by their segments, since facts are only added."""
    return f"{FOLDER}/{digest_of(searched(store, parts))[:16]}"


def searched(store: Store, parts: list[PackPart]) -> list[list[Any]]:
    """Return which segments of hashes there are: pack and number of them."""
    facts = hash_facts(store)
    return [[part.pack, facts.num_segments(part.pack)] for part in sorted(parts)]


def is_searched(store: Store, parts: list[PackPart]) -> bool:
    """Tell whether the pictures of these packs were compared with each other, as they are now."""
    return store.exists(f"{edges_stem(store, parts)}.pairs.parquet")


def stored_edges(store: Store, stem: str) -> Edges:
    """Return what one search found."""
    return Edges(
        pairs=read_found(store, f"{stem}.pairs.parquet", EDGE_SCHEMA),
        recurring=read_found(store, f"{stem}.recurring.parquet", CODE_SCHEMA),
    )


def read_found(store: Store, path: str, schema: pa.Schema) -> pa.Table:
    """Return what a search wrote. Raises `CorpusError` where that is damaged: a copy would be missed in silence."""
    table = store.read_table(path)
    if table.schema.names != schema.names or table.schema.types != schema.types:
        raise CorpusError(f"{store.url(path)} has other columns than a search writes; delete it and build again")
    if any(column.null_count for column in table.columns):
        raise CorpusError(f"{store.url(path)} is damaged: values are missing; delete it and build again")
    return table
