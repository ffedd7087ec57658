"""JSON files of a corpus with a digest of what they say and of the path that they belong to, as their key `digest`."""

import json
from typing import Any

from byline.catalog.digests import canonical_json, sha256_hex
from byline.catalog.disk.mending import how_to_mend
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError

DIGEST = "digest"


def write_json(store: Store, path: str, value: dict[str, Any]) -> None:
    """Write a JSON object; equal ones give equal bytes at an equal path."""
    store.write_bytes(path, canonical_json({**value, DIGEST: _digest(path, value)}) + b"\n")


def read_json(store: Store, path: str) -> dict[str, Any]:
    """Return what `write_json` wrote; what an older byline wrote has no digest, and is taken as it is.

    Raises `StorageError` when it is damaged, or is another one that was put in its place.
    """
    try:
        said = json.loads(store.read_bytes(path))
        if not isinstance(said, dict):
            raise ValueError("it is no JSON object")
        digest = said.pop(DIGEST, None)
        if digest not in (None, _digest(path, said)):
            raise ValueError("it says something else than was written there")
    except (ValueError, RecursionError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{store.url(path)} is damaged ({error}); {how_to_mend(path)}") from error
    return said


def _digest(path: str, value: dict[str, Any]) -> str:
    return sha256_hex(path.encode() + b"\0" + canonical_json(value))[:16]
