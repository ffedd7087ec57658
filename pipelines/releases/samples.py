"""Which samples a pack gives under given verdicts, and the name of the shard that holds them. Loads no Beam.

A sample is all that travels with a picture. A shard is named after the values of its samples, so an unchanged selection
is found by its name.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from byline.catalog.corpora.manifest import TABLE_XXH3, Shard, Split, shard_description_path
from byline.catalog.corpora.packs import read_rows_of
from byline.catalog.corpora.parts import PackPart
from byline.catalog.corpora.sample_schema import (
    INDEX_COLUMNS,
    RECORD_COLUMNS,
    SAMPLE_COLUMNS,
    SEVERAL_SCHEMA,
    samples_table,
)
from byline.catalog.digests import canonical_json
from byline.catalog.disk import layout
from byline.catalog.disk.columns import table_digest
from byline.catalog.disk.json_files import read_json
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError, UnreachableError
from byline.catalog.licenses.reading import license_url
from byline.pipelines.facts.rows import Instruments
from byline.pipelines.facts.shipped_captions import shipped_captions

Row = dict[str, Any]


def samples_of(part: PackPart, store: Store, verdicts: pa.Table, instruments: Instruments) -> pa.Table:
    """Return the admitted samples of a pack in key order, as `samples_table` has them. `verdicts` are in
    the records' order."""
    rows = pc.indices_nonzero(verdicts["admitted"])
    chosen = verdicts.select(["record_id", "license", "split"]).take(rows)
    records = part.read_stated(store, ["record_id", "url", *RECORD_COLUMNS, "text_sha256"]).take(rows)
    index = read_rows_of(store, part.pack, records, [*INDEX_COLUMNS, "stored_sha256"])
    captions = shipped_captions(
        part,
        store,
        instruments.captioners,
        sha256=index["sha256"],
        text_sha256=records["text_sha256"],
        several=instruments.several_captions,
    )
    licenses = pc.dictionary_encode(chosen["license"].combine_chunks())
    urls = pa.array([license_url(spdx) for spdx in licenses.dictionary.to_pylist()], pa.string())
    columns = {
        **{name: index[name] for name in (*INDEX_COLUMNS, "stored_sha256")},
        **{name: chosen[name] for name in ("record_id", "license", "split")},
        **{name: records[name] for name in RECORD_COLUMNS},
        **captions,
        "license_url": urls.take(licenses.indices) if len(rows) else pa.array([], pa.string()),
    }
    return samples_table(columns).sort_by("key")


def sample_members(sample: Row, picture: bytes) -> list[tuple[str, bytes]]:
    """Return the files of a sample: the picture, what travels with it, its caption."""
    key = sample["key"]
    names = [*SAMPLE_COLUMNS, *(name for name in SEVERAL_SCHEMA.names if name in sample)]
    metadata = canonical_json({name: sample[name] for name in names})
    return [(f"{key}.jpg", picture), (f"{key}.json", metadata), (f"{key}.txt", sample["caption"].encode())]


def shard_stem(pack: str, split: Split, samples: pa.Table) -> str:
    """Return the name of the shard of these samples, which is that of its tar without `.tar`."""
    return f"{pack}-{split}-{table_digest(samples)[:16]}"


def described(store: Store, stem: str) -> Shard | None:
    """Return the description of a shard whose tar is there and as long as it says; none where it is damaged."""
    if not all(store.exists(layout.shard_file(f"{stem}.{kind}")) for kind in ("json", "tar", "parquet")):
        return None
    try:
        description = read_json(store, shard_description_path(stem))
        description.pop(TABLE_XXH3, None)
        shard = Shard.model_validate(description)
    except UnreachableError:
        raise
    except (StorageError, ValidationError):  # it is written again, with the shard
        return None
    return shard if store.size_bytes(layout.shard_file(f"{stem}.tar")) == shard.num_bytes else None
