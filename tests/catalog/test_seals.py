"""No bit of a file can change unnoticed."""

from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.disk.json_files import read_json, write_json
from byline.catalog.disk.seals import KEY, DamagedError, read_footer, sealed_bytes
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError

PATH = "facts/quality/one/test-00000.000.parquet"
TABLE = pa.table(
    {
        "key": ["a", "b", None],
        "lists": pa.array([[1, 2], [3], []], pa.list_(pa.int32())),
        "shape": pa.array([[1, 2, 3]] * 3, pa.list_(pa.int32(), 3)),
        "pair": pa.array([{"x": 1, "y": "z"}] * 3),
    }
)


def _checked(data: bytes) -> bool:
    """Return whether a file is sealed. Raises `DamagedError` or Arrow's errors where it is damaged."""
    footer = read_footer(pa.BufferReader(data), PATH)
    for chunk in footer.chunks(range(footer.metadata.num_row_groups)):
        chunk.check(data[chunk.start : chunk.start + chunk.size])
    return footer.is_sealed


@pytest.mark.parametrize("table", [TABLE, TABLE.slice(0, 0)])
def test_every_flipped_bit_is_noticed_or_changes_nothing(table):
    """What unnames the seal leaves a file without one, whose values are the same."""
    data = sealed_bytes(table, PATH, store_schema=False)
    assert _checked(data)
    whole = pq.read_table(BytesIO(data))
    for place in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        try:
            is_sealed = _checked(bytes(flipped))
        except (DamagedError, pa.ArrowException, OSError):
            continue
        assert not is_sealed, f"bit {place} of {len(data)} bytes was not noticed"
        assert pq.read_table(BytesIO(flipped)).equals(whole)


def test_a_cut_file_is_noticed():
    data = sealed_bytes(TABLE, PATH)
    for size in range(len(data)):
        with pytest.raises((DamagedError, pa.ArrowException, OSError)):
            _checked(data[:size])


def test_a_file_belongs_to_its_path(tmp_path):
    store = Store(str(tmp_path))
    store.write_table(PATH, TABLE)
    store.write_bytes("facts/quality/one/test-00001.000.parquet", store.read_bytes(PATH))
    with pytest.raises(StorageError, match=rf"test-00001.*written as {PATH}.*; delete it.*byline build CONFIG"):
        store.read_table("facts/quality/one/test-00001.000.parquet")


def test_one_column_of_one_row_group_is_checked_alone(tmp_path):
    """So reading a key costs no reading of what is beside it."""
    store = Store(str(tmp_path))
    with store.writing_groups(PATH, TABLE.schema) as writer:
        for _ in range(3):
            writer.write_table(TABLE)
    footer = store.read_footer(PATH)
    assert footer.metadata.num_row_groups == 3
    chunk = next(footer.chunks([1], ["pair"]))
    data = bytearray(store.read_bytes(PATH))
    data[chunk.start + chunk.size // 2] ^= 1
    store.write_bytes(PATH, bytes(data))
    for number, columns in ((0, None), (2, None), (1, ["key", "lists"])):
        names = TABLE.column_names if columns is None else columns
        assert store.read_row_group(PATH, number, footer, columns).equals(TABLE.select(names))
    with pytest.raises(StorageError, match=r"column pair\.x of row group 1 has other bytes"):
        store.read_row_group(PATH, 1, footer)


def test_a_file_of_an_older_byline_is_read_unchecked(tmp_path):
    store = Store(str(tmp_path))
    store.local_path("packs").mkdir()
    pq.write_table(TABLE, store.local_path("packs/a.000.parquet"))
    assert not store.read_footer("packs/a.000.parquet").is_sealed
    assert store.read_table("packs/a.000.parquet").equals(TABLE)


def test_others_read_a_sealed_file(tmp_path):
    store = Store(str(tmp_path))
    store.write_table("a.parquet", TABLE)
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == TABLE.to_pylist()
    assert KEY.encode() in pq.read_metadata(tmp_path / "a.parquet").metadata


def test_scratch_belongs_to_its_path_and_no_bit_of_it_changes_unnoticed(tmp_path):
    store = Store(str(tmp_path))
    store.write_scratch("judgements/a.arrow", TABLE)
    data = store.read_bytes("judgements/a.arrow")
    assert store.read_scratch("judgements/a.arrow").equals(TABLE)
    for place in range(0, len(data) * 8, 7):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        store.local_path("judgements/a.arrow").write_bytes(flipped)
        with pytest.raises(StorageError, match=r"a\.arrow is damaged"):
            store.read_scratch("judgements/a.arrow")
    for size in (0, 1, 16, len(data) - 1):
        store.local_path("judgements/a.arrow").write_bytes(data[:size])
        with pytest.raises(StorageError, match=r"a\.arrow is damaged"):
            store.read_scratch("judgements/a.arrow")
    store.local_path("judgements/b.arrow").write_bytes(data)
    with pytest.raises(StorageError, match=r"b\.arrow is damaged"):
        store.read_scratch("judgements/b.arrow")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a":2,"digest":"0123456789abcdef"}'])
def test_damaged_json_is_one_line(tmp_path, data):
    store = Store(str(tmp_path))
    write_json(store, "builds/00000.json", {"a": 1})
    assert read_json(store, "builds/00000.json") == {"a": 1}
    store.write_bytes("builds/00001.json", store.read_bytes("builds/00000.json"))
    store.write_bytes("builds/00002.json", data)
    for number in (1, 2):
        with pytest.raises(StorageError, match=rf"builds/0000{number}\.json is damaged .*; delete it"):
            read_json(store, f"builds/0000{number}.json")
