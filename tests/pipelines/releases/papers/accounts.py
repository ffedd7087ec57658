"""Accounts of small releases that lie on disk, for the tests of the papers."""

import json
from io import BytesIO

import numpy as np
import pyarrow as pa

from byline.catalog.corpora.manifest import Manifest, Shard
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import parquet_bytes
from byline.catalog.disk.tars import write_tar
from byline.catalog.licenses.reading import license_url
from byline.pipelines.releases.papers.account import Account, SourceAccount, Tool
from byline.pipelines.releases.papers.credits import CREDIT_SCHEMA
from byline.pipelines.releases.papers.memorization_counts import (
    CopiesLeft,
    MemorizationRisk,
    binned,
    count_captions,
    count_clusters,
    count_creators,
)
from tests.builders import a_picture, encoded

CHANGES = "resized to 256 px at most and converted to JPEG"
EVIL = '<script>alert(1)</script>"| `x` [a](http://evil.example) \n---\nlicense: mit\r\u202e\x1b[31m @team'
"""What a source might say to break out of a page, a table, a front matter, a line or a terminal."""


def a_credit(number: int, **overrides) -> dict:
    """Return one credit that every test may change in one place."""
    spdx = overrides.get("license", "CC-BY-2.0")
    return {
        "sha256": sha256_hex(f"{number}".encode()),
        "record_id": f"test:{number}",
        "title": f"Blobs {number}",
        "creator": "Ada L.",
        "creator_url": "https://people.example/ada",
        "source_url": f"https://pictures.example/{number}",
        "license": spdx,
        "license_url": license_url(spdx),
        "changes": CHANGES,
        "split": "train",
        "shard": "test-00000-train-0123456789abcdef.tar",
        **overrides,
    }


def a_table(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CREDIT_SCHEMA)


def an_account(*credits: dict, shard: bytes = b"no tar", **overrides) -> Account:
    """Return the account of a release with these credits, one unless told otherwise."""
    rows = list(credits) or [a_credit(0)]
    licenses = {spdx: sum(row["license"] == spdx for row in rows) for spdx in sorted({row["license"] for row in rows})}
    manifest = Manifest(
        name=overrides.pop("name", "small"),
        policy_digest="p" * 64,
        instruments={"captions": "source-text-1-00000000", "quality": "quality-1-00000000"},
        shards=(
            Shard(
                name="test-00000-train-0123456789abcdef.tar",
                pack="test-00000",
                split="train",
                sha256=sha256_hex(shard),
                table_sha256=sha256_hex(b"no table"),
                num_samples=len(rows),
                num_bytes=len(shard),
            ),
        ),
        counts={
            "records": len(rows) + 3,
            "images": len(rows) + 1,
            "admitted": len(rows),
            "refused": 3,
            "duplicates": 1,
            "train": len(rows),
            "heldout": 0,
        },
        reasons=overrides.pop("reasons", {"license:CC-BY-NC-2.0": 2, "duplicate:near": 1}),
        licenses=licenses,
        records={"test": "records/test/1.parquet"},
        papers={},
    )
    fields = {
        "manifest": manifest,
        "credits": a_table(*rows),
        "thumbnails": {},
        "sources": (a_source(num_records=len(rows) + 3, num_admitted=len(rows)),),
        "memorization": a_risk(num_samples=len(rows)),
        "tools": (a_tool(),),
        "obligations": ("attribution",),
        "policy": {"license": {"families": ["CC0", "CC-BY"], "require_version": True}, "caps": None},
        "captioner": {"model": "source-text", "revision": "1", "prompt": "", "decoding": "{}"},
        "changes": CHANGES,
    }
    return Account(**{**fields, **overrides})


def a_source(**overrides) -> SourceAccount:
    fields = {
        "name": "test",
        "reader": "yfcc",
        "num_records": 4,
        "num_admitted": 1,
        "first_retrieved_at": "2024-05-01T10:00:00Z",
        "last_retrieved_at": "2024-05-03T10:00:00Z",
        "domains": {"pictures.example": 1},
    }
    return SourceAccount(**{**fields, **overrides})


def a_risk(*, num_samples: int = 1, **overrides) -> MemorizationRisk:
    """Return the counts of a release in which nothing recurs, all by one creator."""
    numbers = np.arange(num_samples, dtype=np.uint64)
    captions = count_captions(numbers, np.zeros(num_samples, np.bool_), lambda _: [])
    fields = {
        "copies_left": CopiesLeft(radius_bits=31, pictures=binned(np.zeros(num_samples), least=0), most=0),
        "copies_taken_out": count_clusters(numbers[:0], num_alone_or_keeper=num_samples),
        "captions": captions,
        "train_captions": captions,
        "creators": count_creators(np.ones(num_samples, np.uint64), numbers[:0], None, lambda _: ["Ada L."]),
    }
    return MemorizationRisk(**{**fields, **overrides})


def a_tool(**overrides) -> Tool:
    fields = {"name": "source-text", "role": "captioner", "license": "Apache-2.0", "license_seen": "byline's own"}
    return Tool(**{**fields, "url": None, "verdict": "allowed", **overrides})


def a_release_folder(root, account_of, rows):
    """Write shard, credits and papers as they lie on disk, and return the release's folder and its account."""
    sink = BytesIO()
    members = []
    for place, row in enumerate(sorted(rows, key=lambda row: row["sha256"])):
        sample = {"sha256": row["sha256"], "license": row["license"]}
        members.append((f"{row['sha256']}.jpg", encoded(a_picture(place))))
        members.append((f"{row['sha256']}.json", json.dumps(sample).encode()))
        members.append((f"{row['sha256']}.txt", f"caption of {row['record_id']}".encode()))
    write_tar(sink, iter(members))
    account = account_of(*rows, shard=sink.getvalue())
    folder = root / "releases/small/0123456789abcdef"
    folder.mkdir(parents=True)
    (root / "shards").mkdir()
    (root / "shards" / account.manifest.shards[0].name).write_bytes(sink.getvalue())
    (folder / "credits.parquet").write_bytes(parquet_bytes(account.credits))
    return folder, account
