"""The lists of what was taken down as they lie in a corpus: read whole or not at all, and added to."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from byline.catalog.corpora.corpus import TAKEDOWNS, read_settings, write_settings
from byline.catalog.denylists import keyed_hashes
from byline.catalog.denylists.denylist import (
    CHECK,
    ENTRY_SCHEMA,
    EQUAL,
    KINDS,
    VECTOR_FIELD,
    Denylist,
    Entry,
    KeyedList,
)
from byline.catalog.denylists.keyed_hashes import KeyedHashes, as_codes, scramble
from byline.catalog.denylists.keyed_vectors import VECTOR, KeyedVectors, turn
from byline.catalog.denylists.values import forms_of, keyed, keyed_form
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store, parquet_bytes
from byline.catalog.errors import CorpusError, StorageError

_ID = re.compile(r"[0-9a-f]{16}")


def load_denylist(store: Store, others: Iterable[str] = ()) -> Denylist:
    """Read the denylist of a corpus and of `others`, roots of corpora whose takedowns hold here too.

    Raises `CorpusError` when a file that must be there is missing or damaged, or is there and not named by
    `corpus.toml`: nothing is built, taken down or checked without it.
    """
    own = _read(store)
    lists = [own, *(_read_other(root) for root in others)]
    keyed_lists = tuple(keyed_list for keyed_list in lists if keyed_list is not None)
    return Denylist(
        keyed_lists,
        frozenset(
            kind
            for keyed_list in keyed_lists
            for kind in (*keyed_list.keyed, *keyed_list.hashes.kinds, *keyed_list.vectors.kinds)
        ),
    )


def _read_other(root: str) -> KeyedList | None:
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


def _read(store: Store) -> KeyedList | None:
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
    return KeyedList(
        key=key,
        keyed={
            kind: keyed_values
            for kind in EQUAL
            if (keyed_values := frozenset(row["keyed"] for row in rows if row["kind"] == kind))
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


def takedowns_denying(store: Store, statements: Sequence[tuple[str, str]]) -> list[str]:
    """Return the ids of the takedowns of a corpus that deny any of these (kind, value).

    Raises `CorpusError` when the key or a list is damaged.
    """
    ids = _ids(store)
    key = read_key(store) if ids else b""
    wanted = {(kind, keyed_form(key, kind, form)) for kind, value in statements for form in forms_of(kind, value)}
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
    schema = ENTRY_SCHEMA.append(VECTOR_FIELD) if any(row[3] for row in unique) else ENTRY_SCHEMA
    # `zip` leaves the vectors out where there are none.
    data = parquet_bytes(pa.Table.from_pylist([dict(zip(schema.names, row, strict=False)) for row in unique], schema))
    name = hashlib.sha256(data).hexdigest()[:16]
    store.write_bytes(layout.denylist_file(name), data)
    settings = read_settings(store)
    write_settings(store, {**settings, TAKEDOWNS: sorted({*settings.get(TAKEDOWNS, []), name})})
    return name
