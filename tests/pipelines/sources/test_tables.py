"""Sources that are tables: Parquet, CSV; real files, good and bad."""

import bz2
import gzip
import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.configs.loading import parse_config
from byline.catalog.corpora.records import ImageRecord, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import ConfigError, SourceError
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.readers.csv import read_csv
from byline.pipelines.sources.readers.options import ReadOptions
from byline.pipelines.sources.readers.parquet import read_parquet, row_digest
from tests.builders import BY_4

PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}


def _parquet(tmp_path, columns: dict, options: ReadOptions | None = None, **written) -> list:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path, **written)
    return list(read_parquet(str(path), "web", options or ReadOptions()))


LAION = {
    "SAMPLE_ID": [1, 2],
    "URL": ["http://x/1", "http://x/2"],
    "TEXT": ["A  cat\n", None],
    "HEIGHT": [300.0, float("nan")],
    "WIDTH": [200.0, None],
    "LICENSE": ["?", BY_4],
    "NSFW": ["UNLIKELY", "UNSURE"],
}
DATACOMP = {
    "uid": ["00ab", "00cd"],
    "url": ["http://x/1", "http://x/2"],
    "text": ["A cat", "A dog"],
    "original_width": [200, 20],
    "original_height": [300, 30],
    "width": [1, 1],
    "clip_b32_similarity_score": [0.2, 0.3],
    "face_bboxes": [[[0.1, 0.2]], []],
}


def test_a_table_of_laion_is_read_by_its_names(tmp_path):
    one, two = _parquet(tmp_path, LAION)
    assert (one.id, one.title, one.width, one.height) == (sha256_hex(b"http://x/1"), "A cat", 200, 300)
    assert (two.title, two.width, two.height) == (None, None, None)
    assert (one.license_claims, two.license_claims) == ((("LICENSE", "?"),), (("LICENSE", BY_4),))


def test_a_table_of_datacomp_is_read_by_its_names(tmp_path):
    one, two = _parquet(tmp_path, DATACOMP)
    assert (one.id, one.url, one.title, one.width, one.height) == ("00ab", "http://x/1", "A cat", 200, 300)
    assert two.license_claims == two.extras == ()


def test_the_config_overrides_names_and_saves_columns(tmp_path):
    columns = {"id": "SAMPLE_ID", "description": "TEXT", "license_url": "LICENSE"}
    options = ReadOptions(columns=columns, save_additional_columns=("NSFW", "HEIGHT"))
    one, _ = _parquet(tmp_path, LAION, options)
    assert (one.id, one.description, one.license_claims) == ("1", "A cat", (("LICENSE", "?"), ("LICENSE", "?")))
    assert one.extras == (("NSFW", "UNLIKELY"), ("HEIGHT", "300.0"))


def test_the_evidence_of_a_row_is_its_file_its_number_and_the_digest_of_all_its_columns(tmp_path):
    _, two = _parquet(tmp_path, DATACOMP)
    row = {name: values[1] for name, values in DATACOMP.items()}
    text = json.dumps(row, sort_keys=True, separators=(",", ":"))
    assert (two.evidence.file, two.evidence.place) == (str(tmp_path / "t.parquet"), "row 2")
    assert two.evidence.sha256 == hashlib.sha256(text.encode()).hexdigest() == row_digest(row)
    assert two.evidence.retrieved_at is None


def test_when_a_row_was_retrieved_is_what_a_column_says(tmp_path):
    times = pa.array([datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)], pa.timestamp("ns", "UTC"))
    options = ReadOptions(columns={"retrieved_at": "seen"})
    (record,) = _parquet(tmp_path, {"url": ["http://x/1"], "seen": times}, options)
    assert record.evidence.retrieved_at == "2026-01-02T03:04:05.000000000Z"


def test_rows_of_all_row_groups_are_numbered_in_one_order(tmp_path):
    urls = [f"http://x/{n}" for n in range(10_000)]
    records = _parquet(tmp_path, {"url": urls}, row_group_size=999)
    assert [record.url for record in records] == urls
    assert records[-1].evidence.place == "row 10000"


@pytest.mark.parametrize("path", ["", "/*.parquet", "/**/*.parquet"])
def test_parts_of_a_folder_or_a_glob_are_read_in_the_order_of_their_names(path, tmp_path):
    for number in (10, 2, 1):
        pq.write_table(pa.table({"url": [f"http://x/{number}"]}), tmp_path / f"part-{number:05d}.parquet")
    (tmp_path / "_SUCCESS").touch()
    records = list(read_parquet(f"{tmp_path}{path}", "web"))
    assert [record.url for record in records] == ["http://x/1", "http://x/2", "http://x/10"]
    assert records[0].evidence.file == str(tmp_path / "part-00001.parquet")


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("url", None, "no url"),
        ("url", "", "no url"),
        ("uid", None, "no id"),
        ("text", b"caf\xe9", "title is not text: b'caf\\xe9'"),
        ("width", -1, "width is not a number of pixels: -1"),
        ("width", 0.5, "width is not a number of pixels: 0.5"),
        ("width", float("inf"), "width is not a number of pixels: inf"),
        ("width", 2**31, "width is not a number of pixels: 2147483648"),
        ("width", True, "width is not a number of pixels: True"),
        ("width", "wide", "width is not a number of pixels: 'wide'"),
        ("creator", 1.5, "creator is not text: 1.5"),
    ],
)
def test_a_row_with_a_value_of_another_kind_is_unreadable_and_the_next_is_read(column, value, problem, tmp_path):
    good = {"url": "http://x/1", "uid": "a", column: None if column not in ("url", "uid") else "http://x/1"}
    kind = pa.array([value]).type if value is not None else pa.string()
    columns = {
        name: pa.array([value if name == column else text, text], kind if name == column else pa.string())
        for name, text in good.items()
    }
    assert _parquet(tmp_path, columns)[0] == UnreadableRow(place="row 1", problem=problem)
    assert isinstance(_parquet(tmp_path, columns)[1], ImageRecord)


def test_text_that_is_not_utf_8_costs_its_row_alone(tmp_path):
    raw = pa.array([b"a", b"caf\xe9", b"c"], pa.binary()).view(pa.string())
    rows = _parquet(tmp_path, {"url": ["http://x/1", "http://x/2", "http://x/3"], "text": raw})
    assert [type(row) for row in rows] == [ImageRecord, UnreadableRow, ImageRecord]
    assert (rows[1].place, rows[2].title) == ("row 2", "c")
    assert "utf-8" in rows[1].problem


@pytest.mark.parametrize(
    ("columns", "options", "told"),
    [
        (
            {"link": ["x"], "TEXT": ["y"]},
            {},
            r"no column of URLs; its columns are link, TEXT; say which it is, as columns = { url = .link. }",
        ),
        (
            {"url": ["x"]},
            {"columns": {"title": "alt"}},
            "no column 'alt', which should be the title; its columns are url$",
        ),
        ({"url": ["x"]}, {"save_additional_columns": ("alt",)}, "no column 'alt' to save; its columns are url$"),
        (
            {"url": ["x"], "URL": ["x"]},
            {},
            "URL and url may both be the url; say which it is, as columns = ",
        ),
        ({"url": [1]}, {}, "column 'url' holds no URLs but int64; say which it is, as columns = { url = "),
    ],
)
def test_columns_that_do_not_fit_are_told_with_those_there_are(columns, options, told, tmp_path):
    with pytest.raises(SourceError, match=told):
        _parquet(tmp_path, columns, ReadOptions(**options))


def test_a_file_that_is_no_parquet_is_told(tmp_path):
    (tmp_path / "t.parquet").write_text("<html>")
    with pytest.raises(SourceError, match=r"t.parquet is not a whole Parquet file \(.*\); get the file again$"):
        list(read_parquet(str(tmp_path), "web"))


def test_damage_within_a_parquet_file_is_told_with_the_last_row(tmp_path):
    path = tmp_path / "t.parquet"
    urls = [sha256_hex(str(n).encode()) for n in range(20_000)]
    pq.write_table(pa.table({"url": urls}), path, row_group_size=10_000, compression="gzip", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4 : len(data) * 3 // 4 + 2000] = b"\xff" * 2000
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"t.parquet is damaged after row \d+ \(.*\); get the file again$"):
        list(read_parquet(str(path), "web"))


def test_a_folder_without_parquet_is_told(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(SourceError, match="no .parquet file in the folder .*; check `path`"):
        list(read_parquet(str(tmp_path), "web"))


def _csv(tmp_path, content: str | bytes, options: ReadOptions | None = None, *, name: str = "t.csv") -> list:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_csv(str(path), "web", options or ReadOptions()))


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize(("suffix", "between"), [(".csv", ","), (".tsv", "\t")])
def test_the_extension_says_what_is_between_columns(suffix, between, packed, tmp_path):
    table = f"link{between}who\nhttp://x/1{between}Ada\n"
    options = ReadOptions(columns={"url": "link", "creator": "who"})
    (record,) = _csv(tmp_path, PACKERS[packed](table.encode()), options, name=f"t{suffix}{packed}")
    assert (record.url, record.creator, record.id) == ("http://x/1", "Ada", sha256_hex(b"http://x/1"))


def test_licenses_are_kept_as_claims_of_their_columns(tmp_path):
    options = ReadOptions(columns={"license": "rights", "license_url": "deed"})
    table = f"url,rights,deed,license\nhttp://x/1,CC BY 4.0,{BY_4},all rights reserved\nhttp://x/2,,,\n"
    one, two = _csv(tmp_path, table, options)
    assert (one.license_claims, two.license_claims) == ((("rights", "CC BY 4.0"), ("deed", BY_4)), ())


def test_a_row_has_the_number_of_its_first_line_and_the_digest_of_its_bytes(tmp_path):
    row = b'http://x/1,"two\r\nlines"'
    one, two, bad, four = _csv(tmp_path, b"url,title\r\n" + row + b"\r\n\r\nhttp://x/2,b\r\nx\r\nhttp://x/4,d")
    assert (one.title, one.evidence.place, one.evidence.sha256) == ("two lines", "line 2", sha256_hex(row))
    assert (two.evidence.place, bad.place, four.evidence.place) == ("line 5", "line 6", "line 7")
    assert bad.problem == "1 columns; expected 2"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(mark, tmp_path):
    (record,) = _csv(tmp_path, mark + "url,title\nhttp://x/1,é\n".encode())
    assert record.title == "é"


def test_tags_are_between_commas_and_sizes_may_be_written_as_fractions(tmp_path):
    (record,) = _csv(tmp_path, 'url,tags,width,height\nhttp://x/1,"cat, black cat,,",640.0,\n')
    assert (record.tags, record.width, record.height) == (("cat", "black cat"), 640, None)


def test_a_row_that_is_not_utf_8_is_unreadable_and_the_next_is_read(tmp_path):
    bad, good = _csv(tmp_path, b"url,title\nhttp://x/1,caf\xe9\nhttp://x/2,b\n")
    assert bad.problem.startswith("not UTF-8")
    assert (bad.place, good.url) == ("line 2", "http://x/2")


def test_quotes_that_do_not_end_cost_the_lines_that_they_hold_and_these_are_named(tmp_path):
    rows = _csv(tmp_path, 'url,title\nhttp://x/1,"a\nhttp://x/2,b\nhttp://x/3,c\n', ReadOptions(quoting="double"))
    problem = 'unexpected end of data; if quotes are letters here, say quoting = "none"'
    assert rows == [UnreadableRow(place="lines 2 to 4", problem=problem)]


def test_quotes_that_do_not_end_are_given_up_and_what_follows_is_read(tmp_path):
    filler = "".join(f"http://x/{n},b\n" for n in range(20_000))
    bad, *others = _csv(tmp_path, f'url,title\nhttp://x/1,"a\n{filler}', ReadOptions(quoting="double"))
    assert bad.place.startswith("lines 2 to ")
    assert int(bad.place.split()[-1]) + len(others) == 20_002


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.csv", b"", "t.csv has no header row; its first line must name the columns"),
        ("t.csv", "url,title\n".encode("utf-16"), "header row of .*t.csv cannot be read: save it as UTF-8"),
        ("t.csv", b"url,\xe9\nx,y\n", "header row of .*t.csv cannot be read: save it as UTF-8"),
        ("t.csv", b"url,url\nx,y\n", "has 2 columns called 'url'; give them names of their own"),
        ("t.csv", b"a,b\nx,y\n", "no column of URLs, and none that names files; its columns are a, b"),
        ("t.xlsx", b"PK", "t.xlsx ends in none of .csv, .csv.gz, .*, so what is between its columns is not known"),
        (
            "t.csv.gz",
            gzip.compress(b"url\nhttp://x/1\n" * 9, mtime=0)[:-9],
            "t.csv.gz is cut short: .*; get the file again",
        ),
    ],
)
def test_a_table_that_cannot_be_read_at_all_is_told(name, content, told, tmp_path):
    with pytest.raises(SourceError, match=told):
        _csv(tmp_path, content, name=name)


@pytest.mark.parametrize("field", ["held", "source", "evidence", "licence"])
def test_a_field_that_no_column_can_be_is_an_error_of_the_config(field):
    table = {"name": "web", "reader": "csv", "path": "t.csv", "num_packs": 1, "columns": {field: "x"}}
    with pytest.raises(ConfigError, match=f"columns: no field '{field}'; the fields are id, url, .*, retrieved_at"):
        parse_config(table, SourceConfig, where="corpus.toml")


@pytest.mark.parametrize("content", ["id;url\n1;http://x/1\n", "id\turl\n1\thttp://x/1\n", "id|url\n1|http://x/1\n"])
def test_what_is_between_columns_is_told_from_the_header_before_the_name(content, tmp_path):
    (record,) = _csv(tmp_path, content)
    assert (record.id, record.url) == ("1", "http://x/1")


def test_lines_that_end_in_cr_alone_are_told(tmp_path):
    with pytest.raises(SourceError, match="the lines of .*t.csv end in CR alone; save it with LF or CR LF"):
        _csv(tmp_path, "id,url\r1,http://x/1\r")


def test_one_column_whose_name_has_a_semicolon_may_be_that_of_urls(tmp_path):
    (record,) = _csv(tmp_path, "link;href\nhttp://x/1\n", ReadOptions(columns={"url": "link;href"}))
    assert record.url == "http://x/1"


def test_columns_of_any_kind_can_be_saved(tmp_path):
    kinds = {
        "hash": pa.array([b"\x00\xff"]),
        "price": pa.array([Decimal("1.50")]),
        "boxes": pa.array([[{"at": b"\x01"}]]),
        "name": pa.array(["text"]),
    }
    options = ReadOptions(save_additional_columns=tuple(kinds))
    (record,) = _parquet(tmp_path, {"url": ["http://x/1"], **kinds}, options)
    assert dict(record.extras) == {"hash": "00ff", "price": "1.50", "boxes": '[{"at":"01"}]', "name": "text"}


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_every_kind_of_text_may_be_a_url(kind, tmp_path):
    (record,) = _parquet(tmp_path, {"url": pa.array(["http://x/1"], kind)})
    assert record.url == "http://x/1"


def test_a_time_zone_that_is_not_known_is_told_with_its_column(tmp_path):
    at = pa.array([1], pa.timestamp("us", tz="Mars/Base"))
    with pytest.raises(SourceError, match=r"t.parquet: column 'at' of timestamp\[us, tz=Mars/Base\] cannot be written"):
        _parquet(tmp_path, {"url": ["http://x/1"], "at": at})


def test_a_column_whose_name_is_not_utf_8_is_told(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"url": ["http://x/1"], "qqqq": [1]}), path)
    path.write_bytes(path.read_bytes().replace(b"qqqq", b"qq\xff\xfe"))
    with pytest.raises(SourceError, match="t.parquet has a column whose name is not UTF-8; give it another"):
        list(read_parquet(str(path), "web"))


def test_columns_are_told_on_one_line(tmp_path):
    with pytest.raises(SourceError, match="its columns are a b, c; say which"):
        _csv(tmp_path, '"a\nb",c\n')
