"""Receipts: what a takedown did, in clear for the operator who did it, and under the corpus' key for everybody after.

`receipts/<id>.json` names no record, creator, URL, picture or file that was asked for: each is an HMAC under
`denylist/key`, the one that the denylist has of it too. Whoever holds the key and a name can ask whether the receipt is
about it (`byline trace` does); nobody can read a name from it. Beside it lies `<id>.fingerprints.parquet`, by which
`byline takedown check` searches. The receipt holds the digest of that file, and a seal: an HMAC of all that it says.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from byline.catalog.denylists.lists import receipt_ids, takedowns_denying
from byline.catalog.denylists.values import hosts_of, keyed_text
from byline.catalog.digests import canonical_json, sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.catalog.urls import with_scheme

PRINTS = ".fingerprints.parquet"
_PRINTS_SHA256 = "fingerprints_sha256"
"""Key that only receipts under the key of the corpus have."""
_KINDS = {"records": "record", "urls": "url", "creators": "creator", "domains": "domain", "sha256s": "sha256"}
"""Name in a request -> kind of the denylist's entry."""
_NAMES = {"record_id": "record", "asked": "record", "sha256": "sha256", "stored_sha256": "sha256"}
"""Name in what was removed -> kind of the denylist's entry. Each value is given as its HMAC, under the name with
`_keyed`."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a takedown did, in clear: for the operator, who keeps it elsewhere or not at all."""

    id: str
    asked: dict[str, Any]
    removed: list[dict[str, Any]]
    """What was removed: each record, the digests of its picture, and why."""
    files: list[dict[str, str | None]]
    """Every file of packs, facts and records that changed: path, and SHA-256 before and after."""
    shards: list[dict[str, Any]]
    releases: list[dict[str, Any]]
    """Releases that were made anew: name, the version before, the one after; None where nothing was left."""
    checkpoints: list[dict[str, Any]]
    """Checkpoints that had seen what was removed, and how often. Only training anew makes them forget."""
    began_at: str
    completed_at: str
    beyond: list[dict[str, Any]] = field(default_factory=list)
    """Places outside of the corpus that still have it (`pipelines.rights.takedown.beyond`). They are shown, and never
    kept."""


def receipt_path(takedown: str) -> str:
    """Return where the receipt of a takedown lies."""
    return layout.receipt_file(f"{takedown}.json")


def write_receipt(store: Store, receipt: Receipt, prints: pa.Table, key: bytes) -> None:
    """Write a receipt under the key of the corpus, and the fingerprints that it answers for."""
    path = layout.receipt_file(f"{receipt.id}{PRINTS}")
    store.write_table(path, prints)
    _write(store, receipt, sha256_hex(store.read_bytes(path)), key)


def seal_old_receipts(store: Store, key: bytes) -> None:
    """Put receipts under the key that versions of byline wrote in clear which knew no other."""
    for takedown in receipt_ids(store):
        fields, prints = _read(store, takedown), layout.receipt_file(f"{takedown}{PRINTS}")
        if "seal" not in fields and store.exists(prints):
            _write(store, Receipt(**fields), sha256_hex(store.read_bytes(prints)), key)


def check_receipt(store: Store, takedown: str, key: bytes) -> bool:
    """Raise `CorpusError` unless a receipt and its fingerprints are as the takedown wrote them.

    Tells whether it has a seal. Of what earlier versions wrote in clear nothing can be said; the next takedown puts
    that under the key.
    """
    fields = _read(store, takedown)
    seal = fields.pop("seal", None)
    if seal is None and _PRINTS_SHA256 not in fields:
        return False
    path, prints = store.url(receipt_path(takedown)), layout.receipt_file(f"{takedown}{PRINTS}")
    if not hmac.compare_digest(str(seal), _seal(fields, key)):
        raise CorpusError(f"{path} is not as its takedown wrote it: its seal is another; restore it")
    if sha256_hex(store.read_bytes(prints)) != fields[_PRINTS_SHA256]:
        raise CorpusError(f"{store.url(prints)} is not the file that {path} names by its SHA-256; restore it")
    return True


def _read(store: Store, takedown: str) -> dict[str, Any]:
    path = receipt_path(takedown)
    if not store.exists(path):
        raise CorpusError(f"{store.url(path)} is missing: it says what was removed; restore it")
    try:
        fields = json.loads(store.read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{store.url(path)} is damaged ({error}); restore it") from error
    if not isinstance(fields, dict):
        raise CorpusError(f"{store.url(path)} is damaged: it is no table; restore it")
    return fields


def _write(store: Store, receipt: Receipt, prints_sha256: str, key: bytes) -> None:
    fields = {**_keyed(receipt, key), _PRINTS_SHA256: prints_sha256}
    data = json.dumps({**fields, "seal": _seal(fields, key)}, indent=1, sort_keys=True)
    store.write_bytes(receipt_path(receipt.id), data.encode() + b"\n")


def _seal(receipt: Mapping[str, Any], key: bytes) -> str:
    return hmac.digest(key, b"receipt\n" + canonical_json(receipt), "sha256").hex()


def _keyed(receipt: Receipt, key: bytes) -> dict[str, Any]:
    asked = {
        f"{name}_keyed": [keyed_text(key, kind, value) for value in receipt.asked.get(name, ())]
        for name, kind in _KINDS.items()
    }
    settings = {name: receipt.asked[name] for name in ("radius_bits", "views") if name in receipt.asked}
    fields = {name: value for name, value in asdict(receipt).items() if name != "beyond"}
    return {
        **fields,
        "asked": {**asked, **settings, "num_pictures": len(receipt.asked.get("pictures", ()))},
        "removed": [_row(row, key) for row in receipt.removed],
        "checkpoints": [
            {
                "checkpoint": checkpoint["checkpoint"],
                "times_seen": {
                    keyed_text(key, "sha256", sha256): times for sha256, times in checkpoint["times_seen"].items()
                },
            }
            for checkpoint in receipt.checkpoints
        ],
    }


def _row(row: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    keyed = {f"{name}_keyed": keyed_text(key, _NAMES[name], row[name]) for name in _NAMES if row.get(name) is not None}
    return {**{name: value for name, value in row.items() if name not in _NAMES}, **keyed}


def taken_down(store: Store, x: str) -> str | None:
    """Return the receipt of a takedown that denies a record id, a SHA-256, or a URL of a picture, a page or a host."""
    url = with_scheme(x)
    names = [("record", x), ("sha256", x.lower()), ("url", url), *(("domain", host) for host in hosts_of(url))]
    takedowns = takedowns_denying(store, names)
    return store.url(receipt_path(takedowns[0])) if takedowns else None
