"""Small files that unpack to a great deal end in rows or in one line, in bounded memory."""

import gzip
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.corpora.records import UnreadableRow
from byline.catalog.errors import SourceError
from byline.pipelines.sources.beginning.finding import find
from byline.pipelines.sources.readers import bounds, json_lines, parquet, parquet_bounds, sidecars
from byline.pipelines.sources.readers.bounds import MAX_CHARACTERS, Repeats, bounded
from byline.pipelines.sources.readers.folder import read_folder
from byline.pipelines.sources.readers.json_lines import read_jsonl
from byline.pipelines.sources.readers.parquet import read_parquet, rows_of
from byline.pipelines.sources.readers.parquet_bounds import bounded_batches, bytes_of, spelled_out
from tests.builders import a_record

MOST_MB = 700
"""Of which importing takes a third. What the files below hold is more, and several times that once it is parsed."""
PROGRAM = Path(__file__).with_name("bounded.py")
MB = 1 << 20
_MAP = pa.map_(pa.string(), pa.string())


def _ingested(reader: str, path: Path) -> dict:
    """Return what becomes of a source in a process of its own, which may not have much memory."""
    command = [sys.executable, str(PROGRAM), reader, str(path), str(path.parent / "corpus")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict = json.loads(done.stdout)
    return told


def _packed(path: Path, begin: bytes, block: bytes, times: int, end: bytes = b"") -> Path:
    """Write a file of gzip that is small, and unpacks to a block so many times."""
    path.write_bytes(gzip.compress(begin) + gzip.compress(block, 1) * times + gzip.compress(end))
    assert path.stat().st_size < 32 * MB
    return path


def test_an_answer_of_gigabytes_is_one_line(tmp_path):
    path = _packed(tmp_path / "a.json.gz", b'{"query": "', b"x" * 16 * MB, 32, b'"}')
    told = _ingested("commons", path)
    assert told["error"].endswith(
        "is not JSON: an answer without an end, or a longer one than any API gives; fetch it again"
    )
    assert told["peak_mb"] < MOST_MB


@pytest.mark.slow
def test_lines_of_megabytes_are_rows_that_say_too_much(tmp_path):
    line = json.dumps({"url": "https://a.example/1.jpg", "title": "x" * 8 * MB}).encode() + b"\n"
    told = _ingested("jsonl", _packed(tmp_path / "a.jsonl.gz", b"", line, 40))
    assert (told.get("records"), told.get("unreadable")) == (0, 40)
    assert told["peak_mb"] < MOST_MB


@pytest.mark.slow
def test_a_quoted_text_without_end_is_a_row_that_cannot_be_read(tmp_path):
    path = _packed(tmp_path / "a.csv.gz", b'url,title\nhttps://a.example/1.jpg,"', b"a" * 4000 + b'","\n' * 1000, 1000)
    told = _ingested("csv", path)
    assert "more than 10,000 rows have the URL" in told["error"]
    assert told["peak_mb"] < MOST_MB


@pytest.mark.slow
def test_many_rows_of_one_long_cell_are_not_spelled_out(tmp_path):
    cells = pa.DictionaryArray.from_arrays(pa.array([0] * 64, pa.int32()), pa.array(["x" * 36 * MB]))
    urls = pa.array([f"https://a.example/{number}.jpg" for number in range(64)])
    pq.write_table(pa.table({"url": urls, "title": cells, "tags": [["y"]] * 64}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 8 * MB
    told = _ingested("parquet", tmp_path / "a.parquet")
    assert (told.get("records"), told.get("unreadable")) == (0, 64)
    assert told["peak_mb"] < MOST_MB


def _one_row(path: Path, column: pa.Array) -> Path:
    """Write a table of one row, in which a few bytes say a great deal."""
    pq.write_table(pa.table({"url": ["https://a.example/1.jpg"], "tags": column}), path)
    assert path.stat().st_size < 8 * MB
    return path


@pytest.mark.parametrize("in_objects", [False, True])
def test_one_row_that_lists_one_long_text_many_times_is_not_spelled_out(in_objects, tmp_path):
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), pa.array(["x" * 8 * MB]))
    listed = pa.StructArray.from_arrays([texts], ["name"]) if in_objects else texts
    told = _ingested("parquet", _one_row(tmp_path / "a.parquet", pa.ListArray.from_arrays([0, 500], listed)))
    assert (told.get("records"), told.get("unreadable")) == (0, 1)
    assert told["peak_mb"] < MOST_MB


@pytest.mark.slow
def test_one_row_that_lists_one_number_for_ever_is_one_line(tmp_path):
    listed = pa.ListArray.from_arrays([0, 1 << 27], pa.array(bytearray(1 << 27), pa.int8()))
    told = _ingested("parquet", _one_row(tmp_path / "a.parquet", listed))
    assert "column 'tags.list.element' lists 134,217,728 values in a row group, and at most 67,108,864" in told["error"]
    assert told["peak_mb"] < MOST_MB


def test_lists_of_texts_are_read_across_row_groups_and_dictionaries(tmp_path):
    tags = [[f"word {i * 7 % 5000} {j}" for j in range(i % 4)] or None for i in range(20_000)]
    objects = [None if one is None else [{"name": text} for text in one] for one in tags]
    table = pa.table({"tags": tags, "objects": objects, "map": pa.array([[("a", "b")], None] * 10_000, _MAP)})
    path = str(tmp_path / "a.parquet")
    pq.write_table(table, path, row_group_size=3000, dictionary_pagesize_limit=2000, data_page_size=1000)
    with pq.ParquetFile(path) as file:
        assert [row for batch in bounded_batches(file, path, 1024) for row in rows_of(batch)] == table.to_pylist()


@pytest.mark.slow
def test_millions_of_rows_of_one_url_end_soon(tmp_path):
    urls = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000_000, pa.int32()), pa.array(["https://a.example/1.jpg"]))
    pq.write_table(pa.table({"url": urls}), tmp_path / "a.parquet")
    told = _ingested("parquet", tmp_path / "a.parquet")
    assert told["error"].startswith("source test: more than 10,000 rows have the URL https://a.example/1.jpg, as row 1")
    assert "\n" not in told["error"]


def test_a_page_that_would_not_fit_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"url": ["https://a.example/1.jpg"], "title": ["x" * 4 * MB]}), path, compression="zstd")
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(parquet_bounds, "MAX_PAGES_BYTES", 2 * MB)
    with pytest.raises(SourceError, match=r"a page of column 'title' becomes 4,194,\d{3} bytes, and at most 2,097,152"):
        list(read_parquet(str(path), "test"))


def test_a_row_that_is_too_large_costs_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    urls = [f"https://a.example/{number}.jpg" for number in range(9)]
    titles = ["x" * MB if number == 4 else "small" for number in range(9)]
    pq.write_table(pa.table({"url": urls, "title": titles}), path)
    monkeypatch.setattr(parquet, "MAX_ROW_BYTES", 1000)
    rows = list(read_parquet(str(path), "test"))
    assert [row.place for row in rows if isinstance(row, UnreadableRow)] == ["row 5"]
    assert rows[4].problem.endswith("bytes; a row has at most 1,000")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zstd", "data_page_version": "2.0"},
        {"use_dictionary": False},
        {"data_page_size": 100, "row_group_size": 500},
        {"write_page_checksum": True, "write_page_index": True},
    ],
)
def test_bounded_rows_are_those_of_the_file(tmp_path, options):
    values = {
        "text": ["a", "b", None],
        "large": pa.array(["a", None, "c"], pa.large_string()),
        "view": pa.array(["a", None, "a text that is longer than a view holds"], pa.string_view()),
        "bytes": [b"1", None, b"22"],
        "decimal": pa.array([1, None, 3], pa.decimal128(30, 2)),
        "fixed": pa.array([b"12", None, b"34"], pa.binary(2)),
        "number": [1, 2, None],
        "tags": [["x", "y"], [], None],
        "object": [{"k": ["p"], "n": "q"}, None, {"k": None, "n": "z"}],
        "map": pa.array([[("a", "b")], None, []], pa.map_(pa.string(), pa.string())),
    }
    table = pa.concat_tables([pa.table(values)] * 1000)
    path = str(tmp_path / "a.parquet")
    pq.write_table(table, path, **options)
    with pq.ParquetFile(path) as file:
        rows = [row for batch in bounded_batches(file, path, 1024) for row in rows_of(batch)]
        sizes = [bytes_of(batch) for batch in bounded_batches(file, path, 1024)]
        plain = [bytes_of(spelled_out(batch)) for batch in bounded_batches(file, path, 1024)]
    assert rows == table.to_pylist()
    assert sizes == plain


@pytest.mark.parametrize("cut", [4, 20, 60])
def test_a_damaged_page_is_one_line(tmp_path, cut):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"url": [f"https://a.example/{number}.jpg" for number in range(99)]}), path)
    data = bytearray(path.read_bytes())
    data[cut : cut + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(SourceError) as told:
        list(read_parquet(str(path), "test"))
    assert "\n" not in str(told.value)


def test_a_url_that_many_rows_have_is_told_and_less_is_not(monkeypatch):
    monkeypatch.setattr(bounds, "MAX_ROWS_OF_A_URL", 20)
    monkeypatch.setattr(bounds, "_SUSPECT_ROWS", 5)
    repeats = Repeats()
    repeats.add([a_record(id=str(number), url=f"http://a.example/{number % 100}.jpg") for number in range(1900)])
    repeats.add([a_record(id=str(number), held=f"/pictures/{number}") for number in range(2500)])
    with pytest.raises(SourceError, match=r"more than 20 rows have the URL http://a.example/7.jpg\?key=..., as line 1"):
        repeats.add([a_record(id=str(number), url="http://a.example/7.jpg?key=secret") for number in range(30)])


def test_a_record_that_says_too_much_is_unreadable():
    assert bounded(a_record(title="x" * 1000)) == a_record(title="x" * 1000)
    row = bounded(a_record(tags=("x" * (MAX_CHARACTERS // 2), "y" * MAX_CHARACTERS)))
    assert isinstance(row, UnreadableRow)
    assert (row.place, row.problem.split()[1:]) == (
        "a.json line 1",
        "characters of text; at most 1,048,576 are kept".split(),
    )


def test_a_table_of_too_many_names_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "MAX_NAMES", 50)
    lines = (json.dumps({"url": "http://a.example/1.jpg", f"key {number}": 1}) for number in range(60))
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(SourceError, match="has more than 50 different keys, which is no table; check `path`"):
        list(read_jsonl(str(tmp_path / "a.jsonl"), "test"))


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz", "t.tsv.gz"])
def test_a_look_at_a_packed_table_holds_few_of_its_lines(name, tmp_path):
    """`byline init` looks at a thousand lines, which may be of megabytes each."""
    with gzip.open(tmp_path / name, "wb", compresslevel=1) as file:
        file.write({"t.csv.gz": b"url,title\n", "t.tsv.gz": b"url\ttitle\n"}.get(name, b""))
        for _ in range(300):
            file.write(b'{"url": "' + b" " * (1 << 20) + b'"}\n')
    tracemalloc.start()
    try:
        assert find(str(tmp_path / name)).num_rows > 20
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_an_endless_line_of_a_table_beside_pictures_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecars, "MAX_LINE_BYTES", 1 << 16)
    (tmp_path / "metadata.csv").write_bytes(b"file_name,text\na.jpg," + b"x," * (1 << 20))
    with pytest.raises(SourceError, match=r"metadata\.csv cannot be read: a line is longer than 65,536 characters"):
        list(read_folder(str(tmp_path), "f"))
