"""What was taken down and must not come back, by whatever source: a list that tells nothing to who finds it.

`denylist/key` is a secret of the corpus, `denylist/<id>.parquet` the entries of one takedown; the id is the beginning
of the file's own digest, and `corpus.toml` names every id that must be there. Entries are HMACs of what they deny, so
that they can be matched and not read; perceptual hashes must be matched within a radius: see
`catalog.denylists.keyed_hashes`. Of a picture that can be turned or trimmed each look is an entry, and each look of a
picture that is offered is compared.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from byline.catalog.corpora.corpus import TAKEDOWNS, read_settings, write_settings
from byline.catalog.corpora.records import ImageRecord
from byline.catalog.denylists import keyed_hashes
from byline.catalog.denylists.keyed_hashes import Codes, KeyedHashes, as_codes, scramble
from byline.catalog.denylists.keyed_vectors import VECTOR, KeyedVectors, turn
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store, parquet_bytes
from byline.catalog.errors import CorpusError, StorageError
from byline.catalog.former_keys import former_creator_key, former_domain, former_url_key
from byline.catalog.hosts import UrlError, domains_of, read_host
from byline.catalog.urls import creator_key, url_key

_ID = re.compile(r"[0-9a-f]{16}")
ENTRY_SCHEMA = pa.schema([("kind", pa.string()), ("keyed", pa.binary(32)), ("radius_bits", pa.int32())])
_VECTOR_FIELD = pa.field(VECTOR, pa.binary())
"""Only in lists that have vectors."""
EQUAL = ("record", "url", "creator", "domain", "sha256", "pixels")
"""Kinds of entries that equal what they deny; others (`keyed_hashes.KINDS`) are near it."""
KINDS = (*EQUAL, *keyed_hashes.KINDS, VECTOR)
CHECK = "key"
"""Kind of the entry that tells whether the key is the one that the file was made with."""


_AUTHORITY = re.compile(r"[\x00-\x20]*(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#]*@)?(\[[^\]/?#]*\]|[^/\\?#:@\[\]]+)")


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
class _List:
    """The entries under one key."""

    key: bytes
    keyed: dict[str, frozenset[bytes]]
    hashes: KeyedHashes
    vectors: KeyedVectors

    def has(self, kind: str, value: str) -> bool:
        entries = self.keyed.get(kind)
        return entries is not None and any(_hmac(self.key, kind, form) in entries for form in _forms(kind, value))


@dataclass(frozen=True)
class Denylist:
    """All that a corpus must not take in."""

    lists: tuple[_List, ...] = ()
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
        said = [("record", record.record_id)]
        said += [("creator", name) for name in (record.creator, record.creator_url) if name]
        urls = {url for url in (record.url, record.landing_url) if url}
        return self._has_any(said) or any(self.denies_url(url) for url in urls)

    def denies_url(self, url: str) -> bool:
        """Tell whether a URL is denied: of a picture, of its page, or where a redirect leads."""
        return self.sees_urls and self._has_any([("url", url), *(("domain", host) for host in hosts_of(url))])

    def _has_any(self, said: Sequence[tuple[str, str]]) -> bool:
        return any(one.has(kind, value) for one in self.lists for kind, value in said)

    def denies_bytes(self, sha256: str) -> bool:
        """Tell whether a picture is denied by the digest of its bytes, as fetched or as stored."""
        return any(one.has("sha256", sha256) for one in self.lists)

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
        lists = [one for one in self.lists if one.keyed.get(kind)]
        if not lists:
            return np.zeros(len(values), np.bool_)
        return np.array([any(one.has(kind, value) for one in lists) for value in values], np.bool_)

    def near(self, codes: Codes, *, are_views: bool = False) -> npt.NDArray[np.bool_]:
        """Tell which perceptual hashes, `(N, 32)`, are denied. That of a flat picture says nothing: do not ask.

        They are of pictures as they are, or of views of them (`Look.views`).
        """
        found = np.zeros(len(codes), np.bool_)
        for one in self.lists:
            found |= one.hashes.near(codes, are_views=are_views)
        return found

    def alike(self, instrument: str, vectors_ND: npt.NDArray[np.floating], min_cosine: float) -> npt.NDArray[np.bool_]:
        """Tell which unit vectors of an embedding are those of edited copies of what is denied."""
        found = np.zeros(len(vectors_ND), np.bool_)
        for one in self.lists:
            found |= one.vectors.alike(keyed(one.key, VECTOR, instrument), vectors_ND, min_cosine)
        return found


NOTHING_DENIED = Denylist()


def canonical(kind: str, value: str) -> str:
    """Return what equal values of a kind have in common."""
    match kind:
        case "url":
            return url_key(value)
        case "creator":
            return creator_key(value)
        case "domain":
            return _domain(value)
        case _:
            return value


def _domain(said: str) -> str:
    plain = said.strip().strip(".")
    try:
        return read_host(plain)
    except UrlError:  # a host that nothing can lie on equals itself alone
        return plain.lower()


def _forms(kind: str, value: str) -> set[str]:
    """Return how a list may hold a value: in its one form, as it was said, or in the one form of an older list."""
    forms = {value, canonical(kind, value)}
    match kind:
        case "url":
            forms.add(former_url_key(value))
        case "creator":
            forms.add(former_creator_key(value))
        case "domain":
            forms.add(former_domain(value))
    return forms


def keyed(key: bytes, kind: str, value: str) -> bytes:
    """Return the HMAC-SHA256 of an entry, of which equal values have the same."""
    return _hmac(key, kind, canonical(kind, value))


def keyed_text(key: bytes, kind: str, value: str) -> str:
    """Return in hex what a receipt says in place of a value: whoever has the key can ask whether it is this one."""
    return keyed(key, kind, value).hex()


def _hmac(key: bytes, kind: str, value: str) -> bytes:
    return hmac.digest(key, f"{kind}\n{value}".encode(errors="surrogatepass"), "sha256")


def hosts_of(url: str | None) -> list[str]:
    """Return the host of a URL in its one form and the domains above it: `a.b.org`, `b.org`, `org`.

    A URL of another scheme, or of none, has a host too, where it is written as one.
    """
    found = _AUTHORITY.match(url or "")
    try:
        return domains_of(read_host(found[1])) if found else []
    except UrlError:
        return []


def load_denylist(store: Store, others: Iterable[str] = ()) -> Denylist:
    """Read the denylist of a corpus and of `others`, roots of corpora whose takedowns hold here too.

    Raises `CorpusError` when a file that must be there is missing or damaged, or is there and not named by
    `corpus.toml`: nothing is built, taken down or checked without it.
    """
    own = _read(store)
    lists = [own, *(_read_other(root) for root in others)]
    found = tuple(one for one in lists if one is not None)
    return Denylist(
        found, frozenset(kind for one in found for kind in (*one.keyed, *one.hashes.kinds, *one.vectors.kinds))
    )


def _read_other(root: str) -> _List | None:
    store = Store(root)
    settings = read_settings(store)
    if not settings:
        raise CorpusError(f"no corpus at {root}, whose denylist the config names; nothing is built without it")
    return _read(store)


def named_takedowns(store: Store) -> list[str]:
    """Return the ids of all takedowns whose list must be there: those that `corpus.toml` names, and those that left a
    receipt. So neither the lists nor their names can go missing, unless the receipts go too."""
    return sorted({*read_settings(store).get(TAKEDOWNS, []), *receipt_ids(store)})


def receipt_ids(store: Store) -> list[str]:
    """Return the ids of the takedowns that left a receipt."""
    names = (name.removesuffix(".json") for name in store.files(layout.RECEIPTS, suffix=".json"))
    return [name for name in names if _ID.fullmatch(name)]


def _read(store: Store) -> _List | None:
    there, listed, expected = _ids(store), read_settings(store).get(TAKEDOWNS, []), named_takedowns(store)
    if missing := sorted(set(expected) - set(there)):
        raise CorpusError(
            f"{store.url(layout.denylist_file(missing[0]))} is missing: it says what was taken down; restore it, "
            "nothing is built without it"
        )
    if unlisted := sorted(set(expected) - set(listed)):
        raise CorpusError(
            f"{store.url(layout.CORPUS_FILE)} does not name the takedown {unlisted[0]}, which left a receipt in "
            f"{store.url(layout.RECEIPTS)}: it was edited; restore it"
        )
    # One that `corpus.toml` does not name yet is left by a takedown that was killed, and by nothing else.
    if (unnamed := sorted(set(there) - set(expected))) and not store.exists(layout.PENDING):
        raise CorpusError(
            f"{store.url(layout.CORPUS_FILE)} does not name the takedown {unnamed[0]}, whose list is in "
            f"{store.url(layout.DENYLIST)}: it was edited; restore it"
        )
    if not there:
        return None
    key = read_key(store)
    tables = [_entries(store, name, key) for name in sorted(there)]
    rows = [row for table in tables for row in table.to_pylist()]
    near = [(row["kind"], row["keyed"], row["radius_bits"]) for row in rows if row["kind"] in keyed_hashes.KINDS]
    return _List(
        key=key,
        keyed={
            kind: found for kind in EQUAL if (found := frozenset(row["keyed"] for row in rows if row["kind"] == kind))
        },
        hashes=KeyedHashes.of(key, near),
        vectors=KeyedVectors.of(key, [(row["keyed"], row[VECTOR]) for row in rows if row["kind"] == VECTOR]),
    )


def _ids(store: Store) -> list[str]:
    return [name.removesuffix(".parquet") for name in store.files(layout.DENYLIST, suffix=".parquet")]


def _entries(store: Store, name: str, key: bytes) -> pa.Table:
    path = layout.denylist_file(name)
    if sha256_hex(store.read_bytes(path))[:16] != name:
        raise CorpusError(f"{store.url(path)} is damaged: its name is not its digest; restore it")
    table = store.read_table(path)
    check = [row["keyed"] for row in table.to_pylist() if row["kind"] == CHECK]
    if check != [keyed(key, CHECK, "")]:
        raise CorpusError(f"{store.url(layout.DENYLIST_KEY)} is not the key of {path}; restore it")
    return table


def takedowns_denying(store: Store, said: Sequence[tuple[str, str]]) -> list[str]:
    """Return the ids of the takedowns of a corpus that deny any of these (kind, value).

    Raises `CorpusError` when the key or a list is damaged.
    """
    ids = _ids(store)
    key = read_key(store) if ids else b""
    wanted = {(kind, _hmac(key, kind, form)) for kind, value in said for form in _forms(kind, value)}
    tables = {name: _entries(store, name, key) for name in ids}
    return [
        name
        for name, table in tables.items()
        if not wanted.isdisjoint(zip(table["kind"].to_pylist(), table["keyed"].to_pylist(), strict=True))
    ]


def read_key(store: Store) -> bytes:
    """Return the secret of a corpus' denylist. Raises `CorpusError` when it is missing or damaged."""
    try:
        key = bytes.fromhex(store.read_text(layout.DENYLIST_KEY).strip())
    except (StorageError, ValueError) as error:
        raise CorpusError(
            f"{store.url(layout.DENYLIST_KEY)} is missing or damaged; restore it, the denylist is useless without"
        ) from error
    if len(key) != 32:
        raise CorpusError(f"{store.url(layout.DENYLIST_KEY)} must be 64 hex digits; restore it")
    return key


def make_key(store: Store) -> bytes:
    """Return the secret of a corpus' denylist, made at random for the first takedown.

    Raises `CorpusError` when it is missing and something was taken down under it: another key would find nothing.
    """
    if not (store.exists(layout.DENYLIST_KEY) or named_takedowns(store) or _ids(store)):
        store.write_new(layout.DENYLIST_KEY, f"{secrets.token_hex(32)}\n".encode())
    return read_key(store)


def add_entries(store: Store, entries: Iterable[Entry]) -> str:
    """Add the entries of one takedown, and return its id. Adding them again changes nothing."""
    key = make_key(store)
    rows: list[dict[str, Any]] = [{"kind": CHECK, "keyed": keyed(key, CHECK, ""), "radius_bits": 0, VECTOR: None}]
    for entry in entries:
        assert entry.kind in KINDS
        value = keyed(key, entry.kind, entry.value)
        if entry.kind in keyed_hashes.KINDS:
            value = scramble(key, as_codes([bytes.fromhex(entry.value)]))[0].tobytes()
        vector = np.frombuffer(bytes.fromhex(entry.vector), "<f2")[None]
        turned = turn(key, vector)[0].astype("<f4").tobytes() if entry.vector else None
        rows.append({"kind": entry.kind, "keyed": value, "radius_bits": entry.radius_bits, VECTOR: turned})
    unique = sorted({tuple(row.values()) for row in rows}, key=lambda row: (row[0], *row[1:3], row[3] or b""))
    schema = ENTRY_SCHEMA.append(_VECTOR_FIELD) if any(row[3] for row in unique) else ENTRY_SCHEMA
    # `zip` leaves the vectors out where there are none.
    data = parquet_bytes(pa.Table.from_pylist([dict(zip(schema.names, row, strict=False)) for row in unique], schema))
    name = hashlib.sha256(data).hexdigest()[:16]
    store.write_bytes(layout.denylist_file(name), data)
    settings = read_settings(store)
    write_settings(store, {**settings, TAKEDOWNS: sorted({*settings.get(TAKEDOWNS, []), name})})
    return name
