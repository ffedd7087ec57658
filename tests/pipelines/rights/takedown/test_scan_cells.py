"""What is left in the cells of Parquet files."""

import base64
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.disk.storage import parquet_bytes
from tests.pipelines.rights.takedown.leftovers import DATA, a_twin, found_in, hits_in, noise, put


def _table(**columns):
    return pa.table({name: pa.array(values) for name, values in columns.items()})


@pytest.mark.parametrize("codec", ["zstd", "gzip", "snappy", "none"])
def test_a_cell_of_parquet_is_found_with_its_column_and_row(tmp_path, codec):
    text = base64.b64encode(noise(200)).decode()
    cells = [noise(300), None, DATA[100:227], b"", noise(100)]
    sink = io.BytesIO()
    pq.write_table(_table(sha256=[text] * 5, jpeg=cells), sink, compression=codec, row_group_size=2)
    put(tmp_path, "f.parquet", sink.getvalue())
    cell = next(hit for hit in hits_in(tmp_path) if hit.column)
    assert (cell.column, cell.row, cell.num_windows, cell.kind) == ("jpeg", 2, 1, "left")
    assert cell.where == "f.parquet, column jpeg, row 2"


def test_what_compression_hides_from_the_bytes_is_found_in_the_cells(tmp_path):
    victim = base64.b85encode(DATA[:400])
    table = _table(text=[victim.decode()[7:]] * 9)
    pq.write_table(table, tmp_path / "f.parquet", compression="zstd", write_statistics=False)
    assert [(hit.column, hit.row) for hit in hits_in(tmp_path, victim)] == [("text", row) for row in range(9)]


def test_a_value_that_only_a_dictionary_holds_is_found(tmp_path):
    victim = base64.b85encode(DATA[:400])
    words = _table(text=[b"kept", victim, b"kept"]).column("text").combine_chunks().dictionary_encode()
    for name, column in (("a", words), ("b", words.filter(pa.array([True, False, True])))):
        pq.write_table(pa.table({"text": column}), tmp_path / f"{name}.parquet", compression="zstd")
    hits = {hit.path: hit for hit in hits_in(tmp_path, victim) if hit.column}
    assert {path: hit.row for path, hit in hits.items()} == {"a.parquet": 1, "b.parquet": None}
    assert hits["b.parquet"].where == "b.parquet, column text, in no row, but in its dictionary"


def test_cells_in_lists_structs_and_of_fixed_size_are_found(tmp_path):
    table = pa.table(
        {
            "lists": pa.array([[b"a"], [b"b", DATA[:200]], []], pa.list_(pa.binary())),
            "structs": pa.array([{"x": None}, {"x": b""}, {"x": DATA[:200]}], pa.struct([("x", pa.binary())])),
            "fixed": pa.array([noise(128), DATA[:128], None], pa.binary(128)),
            "large": pa.array([DATA[:128], b"", None], pa.large_binary()),
            "words": pa.array([b"", b"", DATA[:128]]).dictionary_encode(),
            "maps": pa.array([[("k", DATA[:128])], [], None], pa.map_(pa.string(), pa.binary())),
        }
    )
    pq.write_table(table, tmp_path / "f.parquet", compression="zstd")
    cells = [(hit.column, hit.row) for hit in hits_in(tmp_path) if hit.column]
    assert cells == [("lists", 1), ("structs.x", 2), ("fixed", 1), ("large", 0), ("words", 2), ("maps.value", 0)]


def test_rows_are_not_bridged(tmp_path):
    start = -(-len(DATA) // 2) // 64 * 64
    halves = [DATA[start : start + 40], DATA[start + 40 : start + 120]]
    pq.write_table(_table(jpeg=halves), tmp_path / "f.parquet", compression="zstd")
    assert [hit for hit in hits_in(tmp_path) if hit.column] == []


def test_a_cell_of_a_kept_key_is_shared_and_so_are_the_bytes_that_encode_it(tmp_path):
    victim, other = a_twin()
    for name, column in (("a", "sha256"), ("b", "key"), ("c", "unnamed")):
        put(tmp_path, f"{name}.parquet", parquet_bytes(_table(**{column: ["ab", "cd"], "jpeg": [other, noise(9)]})))
    assert {(path[0], kind) for path, kind in found_in(tmp_path, victim, kept_keys=["ab"])} == {
        ("a", "shared"),
        ("b", "shared"),
        ("c", "left"),
    }


def test_a_victim_beside_a_picture_that_shares_its_start_is_left(tmp_path):
    victim, other = a_twin()
    put(tmp_path, "f.parquet", parquet_bytes(_table(sha256=["kept", "gone"], jpeg=[other, victim])))
    cells = [(hit.row, hit.kind) for hit in hits_in(tmp_path, victim, kept_keys=["kept"]) if hit.column]
    assert cells == [(0, "shared"), (1, "left")]
    assert ("f.parquet", "left") in [
        (h.path, h.kind) for h in hits_in(tmp_path, victim, kept_keys=["kept"]) if h.offset
    ]


@pytest.mark.parametrize("path", ["a.parquet", ".partial/1/tmp"])
def test_a_parquet_file_that_cannot_be_read_is_told(tmp_path, path):
    whole = parquet_bytes(_table(jpeg=[noise(3000), DATA[:2000]]))
    put(tmp_path, path, whole[:-1000])
    assert (path, "unread") in found_in(tmp_path)
