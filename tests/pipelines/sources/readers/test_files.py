"""Files of metadata: which a path names, and what is told of those that cannot be read."""

import bz2
import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.corpora.records import ImageRecord, UnreadableRow
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers import READERS
from byline.pipelines.sources.readers.files import files_of, lines_of
from byline.pipelines.sources.readers.options import AS_IT_IS
from tests.apis import a_commons_page, an_openverse_result
from tests.builders import a_yfcc_line

LINES = b"".join(b"line %d\n" % number for number in range(3000))


def _written(tmp_path, name: str, content: bytes) -> str:
    (tmp_path / name).write_bytes(content)
    return str(tmp_path / name)


@pytest.mark.parametrize("size", [1, 10_000_000])
def test_streams_of_bzip2_are_read_one_after_the_other(size, tmp_path):
    streams = [bz2.compress(LINES), bz2.compress(b""), bz2.compress(b"x" * size + b"\n")]
    lines = list(lines_of(_written(tmp_path, "a.bz2", b"".join(streams))))
    assert b"".join(lines) == LINES + b"x" * size + b"\n"


@pytest.mark.parametrize("at", [0, 4, 300])
def test_a_later_stream_of_bzip2_that_is_damaged_is_no_end(at, tmp_path):
    later = bytearray(bz2.compress(LINES))
    later[at] ^= 0xFF
    with pytest.raises(SourceError, match=r"a.bz2 is damaged \(.*\): its last whole line is 3000; get the file again"):
        list(lines_of(_written(tmp_path, "a.bz2", bz2.compress(LINES) + later)))


def test_a_later_stream_of_bzip2_that_is_cut_short_is_told(tmp_path):
    with pytest.raises(SourceError, match="a.bz2 is cut short"):
        list(lines_of(_written(tmp_path, "a.bz2", bz2.compress(LINES) + bz2.compress(LINES)[:-3])))


@pytest.mark.parametrize("name", ["a.tsv.gz", "a.tsv.bz2"])
def test_a_packed_file_of_no_bytes_is_told(name, tmp_path):
    with pytest.raises(SourceError, match="is empty, which no packed file is; get the file again"):
        list(lines_of(_written(tmp_path, name, b"")))


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "no source file at an empty path; check `path` of source s"),
        ("~/a.tsv", "no source file at ~/a.tsv: ~ is not read as your home, write the path out; check"),
        (
            "https://a.example/a.tsv",
            "no source file at https://a.example/a.tsv: a source lies on this machine or an object store .s3://, .*; "
            "download it",
        ),
        ("/dev/null", "no source file at /dev/null, which is a pipe or a device; check"),
        ("/tmp/" + "a" * 300, "cannot read /tmp/a+: File name too long; check `path` of source s"),
    ],
)
def test_a_path_that_names_no_file_says_why(path, told):
    with pytest.raises(SourceError, match=told):
        files_of(path, source="s")


@pytest.mark.parametrize("reader", ["commons", "csv", "openverse", "parquet", "yfcc"])
def test_metadata_in_a_file_whose_name_is_no_text_is_told(reader, tmp_path):
    with open(os.fsencode(tmp_path) + b"/a\xff.csv", "wb") as file:
        file.write(b"url\nhttp://x/1\n")
    with pytest.raises(SourceError, match=r"the name of .*a\\xff.csv is not UTF-8; rename it"):
        list(READERS[reader](str(tmp_path), "s", AS_IT_IS))


SEVERAL = {
    "yfcc": ("b.tsv", a_yfcc_line("1", "http://x/1").encode() + b"\nbad\n", "line 2"),
    "csv": ("b.csv", b"url\nhttp://x/1\na,b\n", "line 3"),
    "openverse": ("b.jsonl", b'{"results": ["x"]}\n', "line 1, result 1"),
    "commons": ("b.jsonl", b'{"query": {"pages": ["x"]}}\n', "line 1, page 1"),
}


@pytest.mark.parametrize("reader", SEVERAL)
def test_of_several_files_an_unreadable_row_says_of_which_it_is(reader, tmp_path):
    name, content, place = SEVERAL[reader]
    path = _written(tmp_path, name, content)
    (row,) = (row for row in READERS[reader](str(tmp_path), "s", AS_IT_IS) if isinstance(row, UnreadableRow))
    assert row.place == f"{path} {place}"


def test_of_several_parquet_files_an_unreadable_row_says_of_which_it_is(tmp_path):
    pq.write_table(pa.table({"url": ["http://x/1", None]}), tmp_path / "0.parquet")
    rows = list(READERS["parquet"](str(tmp_path), "s", AS_IT_IS))
    assert rows[1] == UnreadableRow(place=f"{tmp_path}/0.parquet row 2", problem="no url")


REFUSALS = [
    ("openverse", '{"detail": "Invalid token"}', 'an answer without results: it says detail = "Invalid token"'),
    ("openverse", '{"results": null}', "an answer without results: it says results = null"),
    ("openverse", "{}", "an answer without results: it has nothing"),
    ("commons", '{"error": {"code": "maxlag"}}', 'an answer without pages: it says error = {"code":"maxlag"}'),
    ("commons", '{"servedby": "x"}', "an answer without pages: it has servedby"),
]


@pytest.mark.parametrize(("reader", "answer", "problem"), REFUSALS)
def test_an_answer_that_is_a_refusal_is_a_row_and_the_next_is_read(reader, answer, problem, tmp_path):
    good = {"openverse": {"results": [an_openverse_result(1)]}, "commons": {"query": {"pages": [a_commons_page(1)]}}}
    text = f"{answer}\n{json.dumps(good[reader])}\n"
    refused, record = READERS[reader](_written(tmp_path, "a.jsonl", text.encode()), "s", AS_IT_IS)
    assert refused == UnreadableRow(place="line 1", problem=problem)
    assert isinstance(record, ImageRecord)


@pytest.mark.parametrize("answer", ['{"batchcomplete": ""}', '{"query": [], "batchcomplete": true}'])
def test_an_answer_that_there_is_nothing_is_no_refusal(answer, tmp_path):
    assert list(READERS["commons"](_written(tmp_path, "a.json", answer.encode()), "s", AS_IT_IS)) == []


def test_a_page_whose_id_is_none_is_unreadable(tmp_path):
    text = (
        str({"query": {"pages": [a_commons_page(1) | {"pageid": 0}]}}).replace("'", '"').replace(": 0,", ": null,", 1)
    )
    (row,) = READERS["commons"](_written(tmp_path, "a.json", text.encode()), "s", AS_IT_IS)
    assert row == UnreadableRow(place="answer 1, page 1", problem="pageid is no number: None")


def test_damage_in_packed_json_is_one_line(tmp_path):
    packed = bytearray(gzip.compress(os.urandom(3000).hex().encode(), mtime=0))
    packed[200] ^= 0xFF
    packed[300:400] = b"\xff" * 100
    with pytest.raises(SourceError, match="a.json.gz is not JSON: .*; fetch it again"):
        list(READERS["openverse"](_written(tmp_path, "a.json.gz", bytes(packed)), "s", AS_IT_IS))


def test_a_time_that_is_no_text_costs_its_rows(tmp_path):
    text = json.dumps({"curtimestamp": "\ud800", "query": {"pages": [a_commons_page(1)]}})
    (row,) = READERS["commons"](_written(tmp_path, "a.json", text.encode()), "s", AS_IT_IS)
    assert row == UnreadableRow(place="answer 1, page 1", problem="when it was retrieved is not Unicode")
