import errno
import os

import pyarrow as pa
import pytest

from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError


def test_a_file_is_absent_when_its_writer_fails(tmp_path):
    store = Store(str(tmp_path))
    with pytest.raises(RuntimeError), store.writing("a/b") as file:  # noqa: PT012
        file.write(b"half")
        raise RuntimeError
    assert not store.exists("a/b")
    assert [path for path in (tmp_path / ".partial").rglob("*") if path.is_file()] == []


def test_a_file_that_is_rewritten_is_the_old_or_the_new_one(tmp_path):
    store = Store(str(tmp_path))
    store.write_bytes("a", b"old")
    with store.writing("a") as file:
        file.write(b"new")
        file.flush()
        assert store.read_bytes("a") == b"old"
    assert store.read_bytes("a") == b"new"


def test_of_several_writers_one_wins(tmp_path):
    store = Store(str(tmp_path))
    assert store.write_new("a/b", b"first")
    assert not store.write_new("a/b", b"second")
    assert store.write_new("a/b", b"first")  # as a client hears that asks again, since an answer was lost
    assert store.read_bytes("a/b") == b"first"
    assert list((tmp_path / ".partial").rglob("*.*")) == []


def test_what_a_running_process_writes_is_left_alone(tmp_path):
    store = Store(str(tmp_path))
    gone = tmp_path / ".partial" / "999999999"
    gone.mkdir(parents=True)
    with store.writing("a") as file:
        file.write(b"x")
        store.remove_partial()
    assert store.read_bytes("a") == b"x"
    assert not gone.exists()


def test_equal_tables_give_equal_bytes(tmp_path):
    stores = [Store(str(tmp_path / name)) for name in ("one", "two")]
    for store in stores:
        store.write_table("a.parquet", pa.table({"a": [1, 2], "b": ["x", None]}))
    assert stores[0].read_bytes("a.parquet") == stores[1].read_bytes("a.parquet")


def test_numbered_stops_at_the_first_gap(tmp_path):
    store = Store(str(tmp_path))
    for number in (0, 1, 3):
        store.write_bytes(f"p.{number:03d}.parquet", b"")
    assert store.numbered("p.", ".parquet") == ["p.000", "p.001"]


def test_a_full_disk_is_told_in_one_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space left to write .*/a; free some and run the same command again"):
        Store(str(tmp_path)).write_bytes("a", b"x")


def test_a_damaged_table_names_its_file(tmp_path):
    store = Store(str(tmp_path))
    store.write_bytes("t.parquet", b"PAR1 and then nothing")
    with pytest.raises(StorageError, match=r"t\.parquet is not a whole Parquet file"):
        store.read_table("t.parquet")


def test_a_table_with_a_damaged_page_names_its_file(tmp_path):
    store = Store(str(tmp_path))
    store.write_table("t.parquet", pa.table({"a": list(range(1000))}))
    data = store.read_bytes("t.parquet")
    store.write_bytes("t.parquet", data[:4] + b"\x55" * 60 + data[64:])
    with pytest.raises(StorageError, match=r"t\.parquet is damaged \(column a of row group 0 has other bytes"):
        store.read_table("t.parquet")


def test_an_unknown_kind_of_url_is_told(tmp_path):
    with pytest.raises(StorageError, match="cannot open gopher://x"):
        Store("gopher://x").exists("a")
