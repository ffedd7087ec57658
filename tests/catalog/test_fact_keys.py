"""What a fact is about is declared, so that a takedown finds it, whatever measured it."""

import pyarrow as pa
import pytest

from byline.catalog.corpora.facts import FactTable, Key, key_of
from byline.catalog.disk.storage import Store
from byline.pipelines.rights.takedown.removing import Doomed


@pytest.mark.parametrize("columns", [("record_id", "value"), ("sha256", "value"), ("sha256", "caption_sha256")])
def test_a_table_that_a_takedown_could_not_take_apart_is_no_table(tmp_path, columns):
    schema = pa.schema([(name, pa.string()) for name in columns])
    with pytest.raises(ValueError, match="facts of x are about caption_sha256, and the key of their columns"):
        FactTable(store=Store(str(tmp_path)), measure="x", instrument="y", schema=schema, key=Key.CAPTION)


@pytest.mark.parametrize("key", Key)
def test_the_key_of_a_segment_is_read_from_it_and_a_takedown_knows_it(tmp_path, key):
    schema = pa.schema([("value", pa.int64()), (key, pa.string())])
    table = FactTable(store=Store(str(tmp_path)), measure="x", instrument="y", schema=schema, key=key)
    table.append("test-00000", [{key: "a", "value": 1}])
    assert key_of(table.store, f"{table.folder}/test-00000.000.parquet") is key
    gone = Doomed(
        record_ids=frozenset("r"),
        sha256s=frozenset("p"),
        texts=frozenset("t"),
        captions=frozenset("c"),
        codes=frozenset(),
        packs=("test-00000",),
    )
    assert gone.keys(key) == {Key.PICTURE: {"p"}, Key.SHOWN: {"p", "t"}, Key.CAPTION: {"c"}}[key]


def test_a_table_of_something_else_has_no_key(tmp_path):
    store = Store(str(tmp_path))
    store.write_table("facts/x/y/test-00000.000.parquet", pa.table({"record_id": ["a"]}))
    assert key_of(store, "facts/x/y/test-00000.000.parquet") is None
