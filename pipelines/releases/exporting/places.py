"""Which papers of a release say where shards lie, and what they say in a folder that has the shards inside.

All other papers are exported to the byte, and so is the manifest: an export has the version of its release. What is
changed here can be changed back, so that it can be checked against that manifest too.
"""

import re
from collections.abc import Mapping

from byline.catalog.corpora.manifest import EXPORT, SPLITS, Export, Format, Manifest, manifest_bytes, shard_table_path
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout

SHARDS = f"{layout.SHARDS}/"
CARD = "README.md"
_BEFORE = {f"shards-{split}.txt": b"" for split in SPLITS} | {"croissant.json": b'"contentUrl": "'}
"""Paper that names shards -> what stands before the name of one, and before nothing else."""
_TAGS, _TAGS_ROWS = b'"text", "webdataset", "croissant"', b'"text", "parquet"'
_LOADING = b"\n## How to load it\n\n"
_LOADING_ROWS = b"""\
This folder has the samples as Parquet in `data/`, one a row: `image`, and what the JSON of the sample says.

```python
from datasets import load_dataset

for sample in load_dataset(".", split="train"):  # this folder
    print(sample["image"].size, sample["caption"], sample["license"], sample["creator"])
```

What follows is of the same release in its corpus, and as `byline export --format webdataset` writes it.

"""


def is_exported(name: str, format: Format) -> bool:
    """Tell whether an export has this paper: those that name tars are of no use without them."""
    return format == "webdataset" or name not in _BEFORE


def is_placed(name: str, format: Format) -> bool:
    """Tell whether a paper says where shards lie, in an export of this format."""
    return name in _BEFORE if format == "webdataset" else name == CARD


def in_export(name: str, data: bytes, format: Format = "webdataset") -> bytes:
    """Return a paper of a release as it must read where the shards lie inside its folder."""
    if format == "webdataset":
        return _replaced(name, data, layout.SHARDS_FROM_RELEASE, SHARDS)
    return _card_of_rows(data) if name == CARD else data


def from_export(name: str, data: bytes, format: Format = "webdataset") -> bytes:
    """Return a paper of an export as it read in the corpus. Bytes that `in_export` cannot have given stay."""
    if format == "webdataset":
        before = _replaced(name, data, SHARDS, layout.SHARDS_FROM_RELEASE)
    else:
        before = _card_of_tars(data) if name == CARD else data
    return before if in_export(name, before, format) == data else data


def _replaced(name: str, data: bytes, old: str, new: str) -> bytes:
    if name not in _BEFORE:
        return data
    before = _BEFORE[name]
    return data.replace(before + old.encode(), before + new.encode())


def _card_of_rows(card: bytes) -> bytes:
    """Return the card with the Parquet files of each split in its head, and how to load them."""
    head, end, body = card.partition(b"\n---\n")
    head = re.sub(rb'"shards/([^"/]*-(train|heldout)-[^"/]*)\.tar"', rb'"data/\2/\1.parquet"', head)
    head = head.replace(_TAGS, _TAGS_ROWS)
    return head + end + body.replace(_LOADING, _LOADING + _LOADING_ROWS, 1)


def _card_of_tars(card: bytes) -> bytes:
    head, end, body = card.partition(b"\n---\n")
    head = re.sub(rb'"data/(?:train|heldout)/([^"/]*)\.parquet"', rb'"shards/\1.tar"', head)
    head = head.replace(_TAGS_ROWS, _TAGS)
    return head + end + body.replace(_LOADING + _LOADING_ROWS, _LOADING, 1)


def export_bytes(manifest: Manifest, format: Format = "webdataset") -> bytes:
    """Return the bytes of `export.json`."""
    made = Export(name=manifest.name, version=manifest.digest[:16], format=format)
    return made.model_dump_json(exclude_defaults=True).encode() + b"\n"


def exported_checksums(manifest: Manifest, placed: Mapping[str, bytes], rows: Mapping[str, str] | None = None) -> bytes:
    """Return SHA256SUMS of an export: of every file but itself. `placed` are those papers that say where shards lie.

    `rows` are the digests of the Parquet files, by path, of an export that has those in place of tars.
    """
    format: Format = "webdataset" if rows is None else "parquet"
    sums = dict(rows or {})
    if rows is None:
        sums |= {f"{SHARDS}{shard.name}": shard.sha256 for shard in manifest.shards}
        sums |= {shard_table_path(shard.name): shard.table_sha256 for shard in manifest.shards}
    sums |= {name: digest for name, digest in manifest.papers.items() if is_exported(name, format)}
    sums |= {name: sha256_hex(data) for name, data in placed.items()}
    sums |= {EXPORT: sha256_hex(export_bytes(manifest, format)), layout.MANIFEST: sha256_hex(manifest_bytes(manifest))}
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())).encode()
