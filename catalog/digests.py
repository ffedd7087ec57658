"""Digests of bytes and of configurations."""

import hashlib
import json
from io import BufferedReader
from typing import IO, Any, cast

from pydantic import BaseModel

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(file: IO[bytes]) -> str:
    """Return the SHA-256 of an open file, from where it is to its end, in hex; memory does not grow with it."""
    return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return the one JSON spelling of `value`: sorted keys, no spaces, UTF-8. Equal values give equal bytes."""
    return _CANONICAL.encode(value).encode(errors="surrogatepass")


def digest_of(value: BaseModel | Any) -> str:
    """Return the SHA-256 of the canonical JSON of a config or of plain data."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return sha256_hex(canonical_json(plain))
