"""Which papers of a release say where shards lie, and what they say in a folder that has the shards inside.

All other papers are exported to the byte, and so is the manifest: an export has the version of its release. What is
changed here can be changed back, so that it can be checked against that manifest too.
"""

from collections.abc import Mapping

from byline.catalog.digests import sha256_hex
from byline.catalog.manifest import (
    EXPORT,
    SHARDS_FROM_RELEASE,
    SPLITS,
    Export,
    Manifest,
    manifest_bytes,
    shard_table_path,
)

SHARDS = "shards/"
_BEFORE = {f"shards-{split}.txt": b"" for split in SPLITS} | {"croissant.json": b'"contentUrl": "'}
"""Paper that names shards -> what stands before the name of one, and before nothing else."""


def is_placed(name: str) -> bool:
    """Tell whether a paper says where shards lie."""
    return name in _BEFORE


def in_export(name: str, data: bytes) -> bytes:
    """Return a paper of a release as it must read where the shards lie inside its folder."""
    return _replaced(name, data, SHARDS_FROM_RELEASE, SHARDS)


def from_export(name: str, data: bytes) -> bytes:
    """Return a paper of an export as it read in the corpus. Bytes that `in_export` cannot have given stay."""
    before = _replaced(name, data, SHARDS, SHARDS_FROM_RELEASE)
    return before if in_export(name, before) == data else data


def _replaced(name: str, data: bytes, old: str, new: str) -> bytes:
    if name not in _BEFORE:
        return data
    before = _BEFORE[name]
    return data.replace(before + old.encode(), before + new.encode())


def export_bytes(manifest: Manifest) -> bytes:
    """Return the bytes of `export.json`."""
    return Export(name=manifest.name, version=manifest.digest[:16]).model_dump_json().encode() + b"\n"


def exported_checksums(manifest: Manifest, placed: Mapping[str, bytes]) -> bytes:
    """Return SHA256SUMS of an export: of every file but itself. `placed` are those papers that say where shards lie."""
    sums = {f"{SHARDS}{shard.name}": shard.sha256 for shard in manifest.shards}
    sums |= {shard_table_path(shard.name): shard.table_sha256 for shard in manifest.shards}
    sums |= manifest.papers | {name: sha256_hex(data) for name, data in placed.items()}
    sums |= {EXPORT: sha256_hex(export_bytes(manifest)), "manifest.json": sha256_hex(manifest_bytes(manifest))}
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())).encode()
