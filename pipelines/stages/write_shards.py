"""Write the admitted pictures of a pack as webdataset shards. An unchanged shard is not written again."""

import hashlib
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from catalog.digests import canonical_json, sha256_hex
from catalog.licenses import license_url
from catalog.manifest import SPLITS, Shard, Split
from catalog.packs import read_images, read_index
from catalog.storage import Store
from catalog.tars import write_tar
from pipelines.parts import PackPart
from pipelines.progress import Meter
from pipelines.stages.judge import CaptionSource, verdicts_path

BATCH = 256
"""Pictures in memory at once."""
Row = dict[str, Any]


def sample_json(verdict: Row, record: Row, index: Row, caption: Row) -> bytes:
    """Return what travels with a picture: img2dataset's columns, then whose it is and why it is in."""
    shown = (
        "url",
        "key",
        "status",
        "error_message",
        "width",
        "height",
        "original_width",
        "original_height",
        "sha256",
    )
    return canonical_json(
        {
            **{name: index[name] for name in shown},
            "caption": caption["text"],
            "stored_sha256": index["stored_sha256"],
            "record_id": verdict["record_id"],
            "license": verdict["license"],
            "license_url": license_url(verdict["license"]),
            **{name: record[name] for name in ("title", "creator", "creator_url", "landing_url", "retrieved_at")},
            "caption_model": caption["model"],
            "caption_revision": caption["revision"],
            "caption_prompt": caption["prompt"],
            "split": verdict["split"],
        }
    )


def samples_of(part: PackPart, store: Store, captions: CaptionSource) -> list[Row]:
    """Return the admitted samples of a pack in key order: key, split, json, txt, stored_sha256."""
    verdicts = [v for v in store.read_table(verdicts_path(part.pack)).to_pylist() if v["admitted"]]
    records = _by_record(part.read_records(store).to_pylist())
    index = _by_record(read_index(store, part.pack).to_pylist())
    texts = captions.read(part, store, {record_id: row["sha256"] for record_id, row in index.items()})
    samples = []
    for verdict in verdicts:
        record_id = verdict["record_id"]
        fetched, caption = index[record_id], texts[record_id]
        samples.append(
            {
                "key": fetched["sha256"],
                "split": verdict["split"],
                "stored_sha256": fetched["stored_sha256"],
                "txt": caption["text"].encode(),
                "json": sample_json(verdict, records[record_id], fetched, caption),
            }
        )
    return sorted(samples, key=lambda sample: sample["key"])


def _by_record(rows: list[Row]) -> dict[str, Row]:
    return {row["record_id"]: row for row in rows}


def write_shard(part: PackPart, store: Store, split: Split, samples: list[Row]) -> Shard:
    """Write one shard, unless one with the same samples exists, and describe it.

    The name carries a digest of the samples' contents; the description beside the tar is written last.
    """
    content = [[s["key"], s["stored_sha256"], sha256_hex(s["txt"]), sha256_hex(s["json"])] for s in samples]
    stem = f"{part.pack}-{split}-{sha256_hex(canonical_json(content))[:16]}"
    described = _described(store, stem)
    if described is not None:
        return described
    with store.writing(f"shards/{stem}.tar") as file:
        write_tar(file, _members(part, store, samples))
        size = file.tell()
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    shard = Shard(
        name=f"{stem}.tar",
        pack=part.pack,
        split=split,
        sha256=digest,
        num_samples=len(samples),
        num_bytes=size,
    )
    store.write_bytes(f"shards/{stem}.json", canonical_json(shard.model_dump()) + b"\n")
    return shard


def _described(store: Store, stem: str) -> Shard | None:
    """Return the description of a shard whose tar is there and as long as it says."""
    if not store.exists(f"shards/{stem}.json") or not store.exists(f"shards/{stem}.tar"):
        return None
    shard = Shard.model_validate_json(store.read_bytes(f"shards/{stem}.json"))
    return shard if store.size_bytes(f"shards/{stem}.tar") == shard.num_bytes else None


def _members(part: PackPart, store: Store, samples: list[Row]) -> Iterator[tuple[str, bytes]]:
    index = read_index(store, part.pack)
    for start in range(0, len(samples), BATCH):
        batch = samples[start : start + BATCH]
        images = dict(read_images(store, index, only={sample["key"] for sample in batch}))
        for sample in batch:
            yield f"{sample['key']}.jpg", images[sample["key"]]
            yield f"{sample['key']}.json", sample["json"]
            yield f"{sample['key']}.txt", sample["txt"]


def write_shards_of(part: PackPart, store: Store, captions: CaptionSource, meter: Meter) -> Iterator[Shard]:
    """Yield the shards of one pack: one a split, none for a split without samples."""
    with meter.pack("write shards", part.num_records):
        samples = samples_of(part, store, captions)
        for split in SPLITS:
            chosen = [sample for sample in samples if sample["split"] == split]
            if chosen:
                yield write_shard(part, store, split, chosen)


class WriteShards(beam.PTransform[PCollection[PackPart], PCollection[Shard]]):
    """PCollection[PackPart] -> PCollection[Shard]."""

    def __init__(self, store: Store, captions: CaptionSource, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, captions, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[Shard]:
        return parts | "Write" >> beam.FlatMap(write_shards_of, *self.arguments)
