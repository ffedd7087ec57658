"""Of a file on an object store the chunks that are asked for are downloaded, and checked."""

import pyarrow as pa
import pytest

from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError

TABLE = pa.table({"a": list(range(100)), "b": [f"word {number % 7}" for number in range(100)]})
PATH = "records/test/a.parquet"


def test_row_groups_of_an_object_store(s3_root):
    store = Store(s3_root)
    with store.writing_groups(PATH, TABLE.schema, compression="zstd") as writer:
        writer.write_table(TABLE)
        writer.write_table(TABLE.slice(50))
    footer = store.read_footer(PATH)
    assert store.read_row_group(PATH, 0, footer).equals(TABLE)
    assert store.read_row_group(PATH, 1, footer, ["b"]).equals(TABLE.slice(50).select(["b"]).combine_chunks())
    data = bytearray(store.read_bytes(PATH))
    data[next(footer.chunks([1], ["a"])).start + 5] ^= 1
    store.write_bytes(PATH, bytes(data))
    assert store.read_row_group(PATH, 1, footer, ["b"]).num_rows == 50
    with pytest.raises(StorageError, match="column a of row group 1 has other bytes"):
        store.read_row_group(PATH, 1, footer)
