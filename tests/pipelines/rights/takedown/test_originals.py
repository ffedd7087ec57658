"""Corpora that keep the bytes as fetched: these are searched for too."""

import pyarrow as pa
import pytest

from byline.catalog.corpora.packs import INDEX_SCHEMA
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.tars import write_tar
from byline.pipelines.rights.takedown.checking import check_corpus
from byline.pipelines.rights.traces.lookup import find_record
from tests.pipelines.rights.takedown.corpora import PHOTO, take_down

pytestmark = pytest.mark.beam
FETCHED = PHOTO.read_bytes()


def _keep_original(store, record_id, data):
    """Put the bytes as fetched of a record beside its pack, as a fetch that keeps them does."""
    stem = f"packs/{find_record(store, record_id)[record_id].pack}.000"
    name = f"{stem.removeprefix('packs/')}.{sha256_hex(data)[:16]}.originals.tar"
    with store.writing(f"packs/{name}") as file:
        (place,) = write_tar(file, [(f"{sha256_hex(data)}.original", data)])
    where = {"originals": name, "original_offset": place.offset, "original_size": place.size}
    rows = store.read_table(f"{stem}.parquet").to_pylist()
    rows = [{**row, **where} if row["record_id"] == record_id else row for row in rows]
    store.write_table(f"{stem}.parquet", pa.Table.from_pylist(rows, INDEX_SCHEMA))


def _hits(store):
    return [(hit.path, hit.kind) for hit in check_corpus(store, (), {}, lambda path, num_bytes: None)]


@pytest.mark.slow
def test_bytes_as_fetched_are_found_where_they_are_left(corpus):
    store, _, _ = corpus
    _keep_original(store, "test:1", FETCHED)
    take_down(store, records=("test:1",))
    assert _hits(store) == []
    store.write_bytes("shards/forgotten.bin", b"x" * 77 + FETCHED[-4000:])
    assert {path for path, _ in _hits(store)} == {"shards/forgotten.bin"}
