"""What was taken down and must not come back, by whatever source: a list that tells nothing to who finds it.

`denylist/key` is a secret of the corpus, `denylist/<id>.parquet` the entries of one takedown; the id is the beginning
of the file's own digest, and `corpus.toml` names every id that must be there. Entries are HMACs of what they deny, so
that they can be matched and not read. A perceptual hash must be matched within a radius: its 256 bits are permuted and
flipped in an order that only the key tells, which keeps every distance. Without the key that is noise; what it does
show is how far the entries of one list are from each other.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.corpus import PENDING, SETTINGS, TAKEDOWNS, read_settings, write_settings
from catalog.digests import sha256_hex
from catalog.errors import CorpusError, StorageError
from catalog.records import ImageRecord
from catalog.storage import Store, parquet_bytes
from catalog.urls import creator_key, url_key

FOLDER = "denylist"
KEY = f"{FOLDER}/key"
ENTRY_SCHEMA = pa.schema([("kind", pa.string()), ("keyed", pa.binary(32)), ("radius_bits", pa.int32())])
KINDS = ("record", "url", "creator", "domain", "sha256", "pixels", "phash256")
CHECK = "key"
"""Kind of the entry that tells whether the key is the one that the file was made with."""
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing to deny. A `creator` or `domain` is denied in every source, a `url` as picture and as page.

    `phash256` is in hex. Values that are the same, as `canonical` says, give the same entry.
    """

    kind: str
    value: str
    radius_bits: int = 0


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a picture is recognised by when its bytes differ."""

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
    hashes: Codes
    """`(N, 32)`: keyed perceptual hashes, each with its radius."""
    radii: npt.NDArray[np.int64]

    def has(self, kind: str, value: str) -> bool:
        entries = self.keyed.get(kind)
        forms = {value, canonical(kind, value)} if entries else set()  # a list may hold values as they were said
        return any(_hmac(self.key, kind, form) in entries for form in forms)  # type: ignore[operator]

    def near(self, codes: Codes) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(codes), np.bool_)
        scrambled = scramble(self.key, codes) if len(self.hashes) and len(codes) else codes
        for entry, radius in zip(self.hashes, self.radii, strict=True):
            found |= np.bitwise_count(scrambled ^ entry).sum(axis=1, dtype=np.int64) <= radius
        return found


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
    def sees_pictures(self) -> bool:
        """Whether a picture must be hashed to be judged."""
        return bool(self.kinds & {"pixels", "phash256"})

    def denies_record(self, record: ImageRecord) -> bool:
        """Tell whether a record is denied by what its source says."""
        if self.is_empty:
            return False
        urls = [url for url in (record.url, record.landing_url) if url]
        said = [("record", record.record_id), *(("url", url) for url in urls)]
        said += [("domain", host) for host in {host for url in urls for host in hosts_of(url)}]
        said += [("creator", name) for name in (record.creator, record.creator_url) if name]
        return any(one.has(kind, value) for one in self.lists for kind, value in said)

    def denies_bytes(self, sha256: str) -> bool:
        """Tell whether a picture is denied by the digest of its bytes, as fetched or as stored."""
        return any(one.has("sha256", sha256) for one in self.lists)

    def denies_picture(self, look: Look) -> bool:
        """Tell whether a picture is denied by how it looks."""
        code = np.frombuffer(look.phash256, np.uint8)[None]
        return bool(self.denied("pixels", [look.pixels])[0] or (not look.is_flat and self.near(code)[0]))

    def denied(self, kind: str, values: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Tell which of many values of a kind are denied."""
        lists = [one for one in self.lists if one.keyed.get(kind)]
        return np.array([any(one.has(kind, value) for one in lists) for value in values], np.bool_)

    def near(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Tell which perceptual hashes, `(N, 32)`, are denied. That of a flat picture says nothing: do not ask."""
        found = np.zeros(len(codes), np.bool_)
        for one in self.lists:
            found |= one.near(codes)
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
            return value.strip().strip(".").lower()
        case _:
            return value


def keyed(key: bytes, kind: str, value: str) -> bytes:
    """Return the HMAC-SHA256 of an entry, of which equal values have the same."""
    return _hmac(key, kind, canonical(kind, value))


def _hmac(key: bytes, kind: str, value: str) -> bytes:
    return hmac.digest(key, f"{kind}\n{value}".encode(errors="surrogatepass"), "sha256")


def scramble(key: bytes, codes: Codes) -> Codes:
    """Return 256-bit codes, `(N, 32)`, with their bits permuted and flipped as the key says; distances stay."""
    order = np.argsort([hmac.digest(key, f"bit {bit}".encode(), "sha256") for bit in range(256)])
    mask = np.frombuffer(hmac.digest(key, b"mask", "sha256"), np.uint8)
    return np.packbits(np.unpackbits(codes, axis=1)[:, order], axis=1) ^ mask


def hosts_of(url: str | None) -> list[str]:
    """Return the host of a URL and the domains above it: `a.b.org`, `b.org`, `org`."""
    try:
        host = (urlsplit(url or "").hostname or "").rstrip(".")
    except ValueError:
        return []
    labels = host.split(".") if host else []
    return [".".join(labels[start:]) for start in range(len(labels))]


def load_denylist(store: Store, others: Iterable[str] = ()) -> Denylist:
    """Read the denylist of a corpus and of `others`, roots of corpora whose takedowns hold here too.

    Raises `CorpusError` when a file that must be there is missing or damaged, or is there and not named by
    `corpus.toml`: nothing is built, taken down or checked without it.
    """
    own = _read(store, read_settings(store).get(TAKEDOWNS, []))
    lists = [own, *(_read_other(root) for root in others)]
    found = tuple(one for one in lists if one is not None)
    kinds = {kind for one in found for kind in one.keyed} | {"phash256" for one in found if len(one.hashes)}
    return Denylist(found, frozenset(kinds))


def _read_other(root: str) -> _List | None:
    store = Store(root)
    settings = read_settings(store)
    if not settings:
        raise CorpusError(f"no corpus at {root}, whose denylist the config names; nothing is built without it")
    return _read(store, settings.get(TAKEDOWNS, []))


def _read(store: Store, expected: Sequence[str]) -> _List | None:
    there = _ids(store)
    if missing := sorted(set(expected) - set(there)):
        raise CorpusError(
            f"{store.url(f'{FOLDER}/{missing[0]}.parquet')} is missing: it says what was taken down; restore it, "
            "nothing is built without it"
        )
    # One that `corpus.toml` does not name yet is left by a takedown that was killed, and by nothing else.
    if (unnamed := sorted(set(there) - set(expected))) and not store.exists(PENDING):
        raise CorpusError(
            f"{store.url(SETTINGS)} does not name the takedown {unnamed[0]}, whose list is in {store.url(FOLDER)}: it "
            "was edited; restore it"
        )
    if not there:
        return None
    key = read_key(store)
    tables = [_entries(store, name, key) for name in sorted(there)]
    rows = [row for table in tables for row in table.to_pylist()]
    hashes = [row for row in rows if row["kind"] == "phash256"]
    return _List(
        key=key,
        keyed={
            kind: found
            for kind in KINDS
            if kind != "phash256" and (found := frozenset(row["keyed"] for row in rows if row["kind"] == kind))
        },
        hashes=np.frombuffer(b"".join(row["keyed"] for row in hashes), np.uint8).reshape(-1, 32),
        radii=np.array([row["radius_bits"] for row in hashes], np.int64),
    )


def _ids(store: Store) -> list[str]:
    return [name.removesuffix(".parquet") for name in store.files(FOLDER, suffix=".parquet")]


def _entries(store: Store, name: str, key: bytes) -> pa.Table:
    path = f"{FOLDER}/{name}.parquet"
    if sha256_hex(store.read_bytes(path))[:16] != name:
        raise CorpusError(f"{store.url(path)} is damaged: its name is not its digest; restore it")
    table = store.read_table(path)
    check = [row["keyed"] for row in table.to_pylist() if row["kind"] == CHECK]
    if check != [keyed(key, CHECK, "")]:
        raise CorpusError(f"{store.url(KEY)} is not the key of {path}; restore it")
    return table


def takedowns_denying(store: Store, said: Sequence[tuple[str, str]]) -> list[str]:
    """Return the ids of the takedowns of a corpus that deny any of these (kind, value).

    Raises `CorpusError` when the key or a list is damaged.
    """
    ids = _ids(store)
    key = read_key(store) if ids else b""
    wanted = {(kind, _hmac(key, kind, form)) for kind, value in said for form in {value, canonical(kind, value)}}
    tables = {name: _entries(store, name, key) for name in ids}
    return [
        name
        for name, table in tables.items()
        if not wanted.isdisjoint(zip(table["kind"].to_pylist(), table["keyed"].to_pylist(), strict=True))
    ]


def read_key(store: Store) -> bytes:
    """Return the secret of a corpus' denylist. Raises `CorpusError` when it is missing or damaged."""
    try:
        key = bytes.fromhex(store.read_text(KEY).strip())
    except (StorageError, ValueError) as error:
        raise CorpusError(
            f"{store.url(KEY)} is missing or damaged; restore it, the denylist is useless without"
        ) from error
    if len(key) != 32:
        raise CorpusError(f"{store.url(KEY)} must be 64 hex digits; restore it")
    return key


def make_key(store: Store) -> bytes:
    """Return the secret of a corpus' denylist, made at random for the first takedown.

    Raises `CorpusError` when it is missing and something was taken down under it: another key would find nothing.
    """
    if not (store.exists(KEY) or read_settings(store).get(TAKEDOWNS) or _ids(store)):
        store.write_new(KEY, f"{secrets.token_hex(32)}\n".encode())
    return read_key(store)


def add_entries(store: Store, entries: Iterable[Entry]) -> str:
    """Add the entries of one takedown, and return its id. Adding them again changes nothing."""
    key = make_key(store)
    rows = [{"kind": CHECK, "keyed": keyed(key, CHECK, ""), "radius_bits": 0}]
    for entry in entries:
        assert entry.kind in KINDS
        value = keyed(key, entry.kind, entry.value)
        if entry.kind == "phash256":
            value = scramble(key, np.frombuffer(bytes.fromhex(entry.value), np.uint8)[None])[0].tobytes()
        rows.append({"kind": entry.kind, "keyed": value, "radius_bits": entry.radius_bits})
    unique = sorted({tuple(row.values()) for row in rows}, key=lambda row: (str(row[0]), row[1:]))
    data = parquet_bytes(
        pa.Table.from_pylist([dict(zip(ENTRY_SCHEMA.names, row, strict=True)) for row in unique], ENTRY_SCHEMA)
    )
    name = hashlib.sha256(data).hexdigest()[:16]
    store.write_bytes(f"{FOLDER}/{name}.parquet", data)
    settings = read_settings(store)
    write_settings(store, {**settings, TAKEDOWNS: sorted({*settings.get(TAKEDOWNS, []), name})})
    return name
