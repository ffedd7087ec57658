"""What was taken down and must not come back, by whatever source: a list that tells nothing to who finds it.

`denylist/key` is a secret of the corpus, `denylist/<id>.parquet` the entries of one takedown; the id is the beginning
of the file's own digest, and `corpus.toml` names every id that must be there. Entries are HMACs of what they deny, so
that they can be matched and not read; perceptual hashes must be matched within a radius: see
`catalog.denylists.keyed_hashes`. Of a picture that can be turned or trimmed each look is an entry, and each look of a
picture that is offered is compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from byline.catalog.corpora.records import ImageRecord
from byline.catalog.denylists import keyed_hashes
from byline.catalog.denylists.keyed_hashes import Codes, KeyedHashes, as_codes
from byline.catalog.denylists.keyed_vectors import VECTOR, KeyedVectors
from byline.catalog.denylists.values import forms_of, hosts_of, keyed, keyed_form

ENTRY_SCHEMA = pa.schema([("kind", pa.string()), ("keyed", pa.binary(32)), ("radius_bits", pa.int32())])
VECTOR_FIELD = pa.field(VECTOR, pa.binary())
"""The column of vectors, only in lists that have some."""
EQUAL = ("record", "url", "creator", "domain", "sha256", "pixels")
"""Kinds of entries that equal what they deny; others (`keyed_hashes.KINDS`) are near it."""
KINDS = (*EQUAL, *keyed_hashes.KINDS, VECTOR)
CHECK = "key"
"""Kind of the entry that tells whether the key is the one that the file was made with."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing to deny. A `creator` or `domain` is denied in every source, a `url` as picture and as page.

    Perceptual hashes are in hex; a `vector` names its instrument, and has its float16 in hex besides.
    Values that are the same, as `canonical` says, give the same entry.
    """

    kind: str
    value: str
    radius_bits: int = 0
    vector: str = ""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a picture is recognized by when its bytes differ."""

    pixels: str
    """Digest of the decoded pixels."""
    phash256: bytes
    is_flat: bool
    """Whether the hash says nothing."""
    views: tuple[tuple[int, bytes], ...] = ()
    """Kind and hash of other ways to look at it, turned or without a frame (`dedup.views`); a flat picture has none."""


@dataclass(frozen=True, kw_only=True)
class KeyedList:
    """The entries under one key."""

    key: bytes
    keyed: dict[str, frozenset[bytes]]
    hashes: KeyedHashes
    vectors: KeyedVectors

    def has(self, kind: str, value: str) -> bool:
        entries = self.keyed.get(kind)
        return entries is not None and any(
            keyed_form(self.key, kind, form) in entries for form in forms_of(kind, value)
        )


@dataclass(frozen=True)
class Denylist:
    """All that a corpus must not take in."""

    lists: tuple[KeyedList, ...] = ()
    kinds: frozenset[str] = field(default=frozenset())

    @cached_property
    def is_empty(self) -> bool:
        """Whether nothing is denied."""
        return not self.kinds

    @cached_property
    def sees_urls(self) -> bool:
        """Whether a URL must be known to be judged."""
        return bool(self.kinds & {"url", "domain"})

    @cached_property
    def sees_pictures(self) -> bool:
        """Whether a picture must be hashed to be judged."""
        return bool(self.kinds & {"pixels", *keyed_hashes.KINDS})

    @cached_property
    def sees_views(self) -> bool:
        """Whether a picture must also be looked at turned, and without its frame."""
        return keyed_hashes.VIEWED in self.kinds

    def denies_record(self, record: ImageRecord) -> bool:
        """Tell whether a record is denied by what its source says."""
        if self.is_empty:
            return False
        statements = [("record", record.record_id)]
        statements += [("creator", name) for name in (record.creator, record.creator_url) if name]
        urls = {url for url in (record.url, record.landing_url) if url}
        return self._has_any(statements) or any(self.denies_url(url) for url in urls)

    def denies_url(self, url: str) -> bool:
        """Tell whether a URL is denied: of a picture, of its page, or where a redirect leads."""
        return self.sees_urls and self._has_any([("url", url), *(("domain", host) for host in hosts_of(url))])

    def _has_any(self, statements: Sequence[tuple[str, str]]) -> bool:
        return any(keyed_list.has(kind, value) for keyed_list in self.lists for kind, value in statements)

    def denies_bytes(self, sha256: str) -> bool:
        """Tell whether a picture is denied by the digest of its bytes, as fetched or as stored."""
        return any(keyed_list.has("sha256", sha256) for keyed_list in self.lists)

    def denies_picture(self, look: Look) -> bool:
        """Tell whether a picture is denied by how it looks, in any of the ways to look at it."""
        if self.denied("pixels", [look.pixels])[0]:
            return True
        if look.is_flat:
            return False
        views = as_codes([code for _, code in look.views])
        return bool(self.near(as_codes([look.phash256])).any() or self.near(views, are_views=True).any())

    def denied(self, kind: str, values: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Tell which of many values of a kind are denied."""
        lists = [keyed_list for keyed_list in self.lists if keyed_list.keyed.get(kind)]
        if not lists:
            return np.zeros(len(values), np.bool_)
        return np.array([any(keyed_list.has(kind, value) for keyed_list in lists) for value in values], np.bool_)

    def near(self, codes: Codes, *, are_views: bool = False) -> npt.NDArray[np.bool_]:
        """Tell which perceptual hashes, `(N, 32)`, are denied. That of a flat picture says nothing: do not ask.

        They are of pictures as they are, or of views of them (`Look.views`).
        """
        is_denied = np.zeros(len(codes), np.bool_)
        for keyed_list in self.lists:
            is_denied |= keyed_list.hashes.near(codes, are_views=are_views)
        return is_denied

    def alike(self, instrument: str, vectors_ND: npt.NDArray[np.floating], min_cosine: float) -> npt.NDArray[np.bool_]:
        """Tell which unit vectors of an embedding are those of edited copies of what is denied."""
        is_denied = np.zeros(len(vectors_ND), np.bool_)
        for keyed_list in self.lists:
            is_denied |= keyed_list.vectors.alike(keyed(keyed_list.key, VECTOR, instrument), vectors_ND, min_cosine)
        return is_denied


NOTHING_DENIED = Denylist()
