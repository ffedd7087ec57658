"""JSON files of a corpus with a digest of what they say and of the path that they belong to, as their key `digest`."""

import json
from typing import Any

from byline.catalog.digests import canonical_json, sha256_hex
from byline.catalog.disk.mending import how_to_mend
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError

DIGEST = "digest"


def write_json(store: Store, path: str, value: dict[str, Any], *, is_scratch: bool = False) -> None:
    """Write a JSON object; equal ones give equal bytes at an equal path. Scratch may be lost when power fails."""
    store.write_bytes(path, _bytes(path, value), is_scratch=is_scratch)


def write_new_json(store: Store, path: str, value: dict[str, Any]) -> bool:
    """Write a JSON object unless something is there already, and tell which. Of several writers one wins."""
    return store.write_new(path, _bytes(path, value))


def read_json(store: Store, path: str) -> dict[str, Any]:
    """Return what `write_json` wrote; what an older byline wrote has no digest, and is taken as it is.

    Raises `StorageError` when it is damaged, or is another one that was put in its place.
    """
    return read_sealed_json(store, path)[0]


def read_sealed_json(store: Store, path: str) -> tuple[dict[str, Any], bool]:
    """The same, and whether it carries a digest, without which nobody knows that it is whole."""
    try:
        contents = json.loads(store.read_bytes(path))
        if not isinstance(contents, dict):
            raise ValueError("it is no JSON object")
        digest = contents.pop(DIGEST, None)
        if digest not in (None, _digest(path, contents)):
            raise ValueError("it says something else than was written there")
    except (ValueError, RecursionError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{store.url(path)} is damaged ({error}); {how_to_mend(path)}") from error
    return contents, digest is not None


def _bytes(path: str, value: dict[str, Any]) -> bytes:
    return canonical_json({**value, DIGEST: _digest(path, value)}) + b"\n"


def _digest(path: str, value: dict[str, Any]) -> str:
    return sha256_hex(path.encode() + b"\0" + canonical_json(value))[:16]
