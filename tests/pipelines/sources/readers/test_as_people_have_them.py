"""Tables and folders in the ways that people write them, beyond the cases that are kept as files."""

import gzip
import json
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.configs.loading import parse_config
from byline.catalog.corpora.records import ImageRecord, UnreadableRow
from byline.catalog.errors import ConfigError, SourceError
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.ingested import records_path
from byline.pipelines.sources.readers import read_source
from byline.pipelines.sources.readers.csv import read_csv
from byline.pipelines.sources.readers.folder import read_folder
from byline.pipelines.sources.readers.ids import SAMPLE, Distinct
from byline.pipelines.sources.readers.json_lines import read_jsonl
from byline.pipelines.sources.readers.options import ReadOptions
from byline.pipelines.sources.readers.parquet import read_parquet
from byline.pipelines.sources.readers.taken import names_taken
from byline.pipelines.sources.readers.values import tags_of, text_of, title_and_tags
from tests.pipelines.sources.readers.folders import a_folder, a_jpeg, one_record, problems_in

SEA = ("sea", "old boat")


@pytest.mark.parametrize(
    ("said", "tags"),
    [
        ('[{"name": "sea", "accuracy": 0.9}, {"name": "old boat"}]', SEA),
        ("[{'term': 'sea'}, {'term': 'old boat'}]", SEA),
        ("['sea', 'old boat']", SEA),
        ("['sea' 'old boat']", SEA),
        ("array(['sea', 'old boat'], dtype=object)", SEA),
        ('{sea,"old boat"}', SEA),
        ("{sea,old boat}", SEA),
        ('{"sea": 0.9, "old boat": 0.1}', SEA),
        ('"sea","old boat"', SEA),
        ("('sea', 'old boat')", SEA),
        ("{'sea', 'old boat'}", SEA),
        ("set(['sea', 'old boat'])", SEA),
        ('"[\\"sea\\", \\"old boat\\"]"', SEA),
        ("sea; old boat", SEA),
        ("sea|old boat", SEA),
        ("sea, old boat", SEA),
        ('[{"name": "sea"}, {"name": "old boat"}, {"na', SEA),
        ('["sea", "old boat", "har', SEA),
        ("[untitled], sea", ("[untitled]", "sea")),
        ("[]", ()),
        ("{}", ()),
        ([{"name": "sea"}, {"accuracy": 1}, {"name": "old boat"}], SEA),
        ([{"tag": {"name": "sea"}}, {"tag": {"tag": {"name": "old boat"}}}, {"tag": {}}], SEA),
        ("[{'tag': {'name': 'sea'}}, {'tag': {'name': 'old boat', 'id': 2}}]", SEA),
        ([{"tag": {"name": "sea"}, "by": {"name": "Ada"}}], ()),
        ("[OrderedDict([('name', 'sea')]), OrderedDict([('name', 'old boat')])]", ()),
        ("[Tag(name='sea'), Tag(name='old boat')]", ()),
        ([["sea"], ["old boat", "sea"]], SEA),
        ([("sea", 0.9), ("old boat", 0.1)], SEA),
        ({"sea": 0.9, "old boat": 0.1, "car": None}, SEA),
        (json.dumps([{"name": "x" * 100}] * 1000), ("x" * 100,)),
    ],
)
def test_tags_are_read_however_a_list_is_written_and_its_brackets_are_none(said, tags):
    assert tags_of(said) == tags


LISTS = (
    *('["sea", "old boat"]', "['sea', 'old boat']", "['sea' 'old boat']", '[{"name": "sea"}, {"name": "old boat"}]'),
    *("('sea', 'old boat')", "{'sea', 'old boat'}", '{"sea": 0.9, "old boat": 0.1}', '["sea", "old boat", "har'),
)
MADE = (
    *("OrderedDict([('name', 'sea')])", "[OrderedDict([('name', 'sea')])]", "[Tag(name='sea'), Tag(name='old boat')]"),
    *("defaultdict(<class 'list'>, {'sea': 1})", "[OrderedDict([('name', 'sea'), ('sc"),
)
"""What Python makes by calling a name, as text: neither tags nor a title."""
TITLES = (
    *("Sunset (2019)", "Sunset(2019)", "Sea('old boat')"),
    *("[Sea, old boat]", "['Sea'] by Ada", "'Allo 'Allo!", '"Big Bell" at night', "['Allo 'Allo"),
)


@pytest.mark.parametrize(
    ("title", "kept", "tags"),
    [(t, None, SEA) for t in LISTS] + [(t, None, ()) for t in MADE] + [(t, t, ()) for t in TITLES],
)
def test_a_list_where_a_title_should_be_is_tags(title, kept, tags, tmp_path):
    assert title_and_tags(title, ()) == (kept, tags)
    assert title_and_tags(title, ("old",)) == (kept, ("old",))
    record = one_record(tmp_path, {"a.jpg": a_jpeg(), "a.jpg.json": {"text": title}})
    assert (record.title, record.tags) == (kept, tags)


@pytest.mark.parametrize(("said", "text"), [(12.0, "12"), (float(2**40), str(2**40)), (7, "7")])
def test_a_whole_number_may_have_a_fraction_of_nothing(said, text):
    assert text_of("id", said) == text


@pytest.mark.parametrize("said", [1.5, float(2**60), True, float("inf")])
def test_what_is_no_whole_number_is_no_text(said):
    with pytest.raises(ValueError, match="id is not text"):
        text_of("id", said)


@pytest.mark.parametrize(
    "license", [{"name": None, "url": "https://x.example/by"}, {"url": "https://x.example/by", "id": 4}]
)
def test_of_a_license_the_url_may_be_all_that_an_object_says(license, tmp_path):
    row = {"url": "http://x/1", "license": license}
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\n")
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "t.parquet")
    for read, name in ((read_jsonl, "t.jsonl"), (read_parquet, "t.parquet")):
        (record,) = read(str(tmp_path / name), "s")
        assert record.license_claims == (("license_url", "https://x.example/by"),)


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_a_url_in_an_object_has_a_name_with_dots(name, tmp_path):
    rows = [{"media": {"small": {"url": "http://x/s"}, "large": {"url": "http://x/l"}}, "title": "A"}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    read = read_jsonl if name.endswith("l") else read_parquet
    with pytest.raises(SourceError, match=r"no column of URLs; .*media\.\w+\.url"):
        list(read(str(tmp_path / name), "s"))
    (record,) = read(str(tmp_path / name), "s", ReadOptions(columns={"url": "media.large.url"}))
    assert (record.url, record.title) == ("http://x/l", "A")


def _flickr(tmp_path, name, num_rows, **columns):
    rows = [
        {"uid": f"{n % 5}@N0", "owner_page": "p", "image_url": f"http://x/{n}", "key": f"k{n}", **columns}
        for n in range(num_rows)
    ]
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text("".join(",".join(map(str, row)) + "\n" for row in [list(rows[0]), *(r.values() for r in rows)]))
    return str(path)


@pytest.mark.parametrize("num_rows", [12, 3000])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_column_that_repeats_massively_is_no_id_and_the_one_that_looks_like_it_is_named(name, num_rows, tmp_path):
    path = _flickr(tmp_path, name, num_rows)
    reader = {"csv": "csv", "jsonl": "jsonl", "parquet": "parquet"}[name.rpartition(".")[2]]
    with pytest.raises(
        SourceError, match="column 'uid' is no id: .* 'key' looks like one: say columns = { id = \"key\""
    ):
        list(read_source(reader, path, "s", ReadOptions()))
    assert len(list(read_source(reader, path, "s", ReadOptions(columns={"id": "key"})))) == num_rows
    rows = list(read_source(reader, path, "s", ReadOptions(ignore_columns=("uid",))))
    assert len({row.id for row in rows}) == num_rows


def test_an_id_that_begins_to_repeat_late_is_none_either(tmp_path):
    ids = [*map(str, range(1500)), *["7"] * 5000]
    pq.write_table(pa.table({"id": ids, "url": [f"http://x/{n}" for n in range(6500)]}), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="column 'id' is no id: of 6,500 rows, .* ignore_columns = "):
        list(read_parquet(str(tmp_path / "t.parquet"), "s"))


def test_rows_that_are_there_twice_are_no_fault_of_their_id(tmp_path):
    pq.write_table(pa.table({"id": ["1"] * 50, "url": ["http://x/1"] * 50}), tmp_path / "t.parquet")
    assert len(list(read_parquet(str(tmp_path / "t.parquet"), "s"))) == 50


def test_the_number_of_different_values_is_known_about_whatever_their_order():
    few, many, again = Distinct(), Distinct(), Distinct()
    for number in range(SAMPLE):
        few.add(number % 100)
    for number in range(50 * SAMPLE):
        many.add(number)
        again.add(50 * SAMPLE - 1 - number)
    assert few.number == 100
    assert many.number == again.number == pytest.approx(50 * SAMPLE, rel=0.1)


def _csv(tmp_path, text, options=None, name="t.csv"):
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return list(read_csv(str(tmp_path / name), "s", options or ReadOptions()))


OPEN = 'url\ttitle\nhttp://x/1\t"The old town\nhttp://x/2\tA\nhttp://x/3\t"B" c\n'
WRAPPED = 'url\ttitle\nhttp://x/1\t"A ""b"""\nhttp://x/2\t"C\nD"\nhttp://x/3\t"E\n'


@pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz"])
@pytest.mark.parametrize(
    ("text", "quoting", "titles"),
    [
        (OPEN, "told", ['"The old town', "A", '"B" c']),
        (OPEN, "none", ['"The old town', "A", '"B" c']),
        (OPEN, "double", []),
        (WRAPPED, "told", ['A "b"', "C D"]),
        (WRAPPED, "none", ['"A ""b"""', '"C', '"E']),
    ],
)
def test_a_quote_wraps_texts_unless_more_rows_are_lost_by_it(name, text, quoting, titles, tmp_path):
    rows = _csv(tmp_path, text, ReadOptions(quoting=quoting), name)
    assert [row.title for row in rows if isinstance(row, ImageRecord)] == titles


def test_a_table_without_a_header_row_is_told_and_read_with_names(tmp_path):
    text = 'a "very" old town\thttp://x/1\nanother\thttp://x/2\n'
    with pytest.raises(SourceError, match=r'no header row, .*; say column_names = \["\.\.\.", "url"\]'):
        _csv(tmp_path, text, name="t.tsv")
    one, _ = _csv(tmp_path, text, ReadOptions(column_names=("caption", "url")), "t.tsv")
    assert (one.title, one.url, one.evidence.place) == ('a "very" old town', "http://x/1", "line 1")


def test_what_is_between_columns_may_be_said(tmp_path):
    (row,) = _csv(
        tmp_path, "url;b|title\nhttp://x/1|A\n", ReadOptions(delimiter="|", columns={"url": "url;b"}), "t.txt"
    )
    assert (row.url, row.title) == ("http://x/1", "A")


@pytest.mark.parametrize("reader", ["parquet", "jsonl", "folder"])
def test_what_is_said_of_text_is_refused_elsewhere(reader, tmp_path):
    with pytest.raises(SourceError, match=f"quoting is for the reader csv, and this is {reader}"):
        list(read_source(reader, str(tmp_path), "s", ReadOptions(quoting="none")))


@pytest.mark.parametrize("name", ["part.parquet", "part.csv", "part.jsonl"])
def test_folders_called_name_and_value_are_columns_of_every_table(name, tmp_path):
    for license in ("CC%20BY%204.0", "CC0", "__HIVE_DEFAULT_PARTITION__"):
        folder = tmp_path / "kept=here" / "table" / f"license={license}" / "year=2024"
        folder.mkdir(parents=True)
        row = {"url": f"http://x/{license[:4]}", "title": "A"}
        if name.endswith(".parquet"):
            pq.write_table(pa.Table.from_pylist([row]), folder / name)
        else:
            text = json.dumps(row) if name.endswith("l") else f"{','.join(row)}\n{','.join(row.values())}"
            (folder / name).write_text(f"{text}\n")
    reader, source = {"parquet": "parquet", "csv": "csv", "jsonl": "jsonl"}[name[5:]], str(tmp_path / "kept=here/table")
    rows = list(read_source(reader, source, "s", ReadOptions(save_additional_columns=("year",))))
    assert [row.license_claims for row in rows] == [(("license", "CC BY 4.0"),), (("license", "CC0"),), ()]
    assert {row.extras for row in rows} == {(("year", "2024"),)}
    taken = names_taken(reader, source)
    assert (taken.fields["license"], taken.not_used) == (["license"], {"year": ""})


def test_a_row_that_says_something_else_than_its_folder_is_unreadable(tmp_path):
    (tmp_path / "license=CC0").mkdir()
    rows = [{"url": f"http://x/{n}", "license": said} for n, said in enumerate(("CC0", "CC BY-NC", None))]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "license=CC0" / "p.parquet")
    one, other, silent = read_parquet(str(tmp_path / "license=CC0"), "s")
    assert one.license_claims == silent.license_claims == (("license", "CC0"),)
    assert isinstance(other, UnreadableRow)
    assert other.problem == "license is 'CC BY-NC', and 'CC0' in the name of its folder"


def test_a_column_that_is_ignored_is_taken_for_no_field(tmp_path):
    text = "url,title,rights\nhttp://x/1,A,all mine\n"
    (row,) = _csv(tmp_path, text, ReadOptions(ignore_columns=("rights",)))
    assert row.license_claims == ()
    options = ReadOptions(ignore_columns=("license",))
    assert one_record(tmp_path / "f", {"a.jpg": a_jpeg(), "a.json": {"license": "CC0"}}, options).license_claims == ()


def test_a_column_is_not_ignored_and_taken():
    table = {"name": "web", "reader": "csv", "path": "t.csv", "num_packs": 1, "ignore_columns": ["x"]}
    with pytest.raises(ConfigError, match="'x' is in ignore_columns and is taken as well"):
        parse_config({**table, "columns": {"url": "x"}}, SourceConfig, where="corpus.toml")


def test_what_a_config_does_not_say_leaves_the_name_of_a_run_as_it_was(tmp_path):
    (tmp_path / "t.csv").write_text("url\nhttp://x/1\n")
    said = {"name": "web", "reader": "csv", "path": str(tmp_path / "t.csv"), "num_packs": 1}
    assert ReadOptions().identity == {"columns": {}, "save_additional_columns": ()}
    paths = {records_path(SourceConfig(**said, **more)) for more in ({}, {"quoting": "told"}, {"quoting": "none"})}
    assert len(paths) == 2


def test_every_folder_may_have_a_table_of_what_is_in_it_and_below(tmp_path):
    files = {
        "train/metadata.jsonl": b'{"file_name": "a.jpg", "text": "A"}\n{"file_name": "in/b.jpg", "text": "B"}\n'
        b'{"file_name": "gone.jpg"}\n',
        "train/a.jpg": a_jpeg(),
        "train/in/b.jpg": a_jpeg(),
        "test/metadata.csv": b"file_name,text\na.jpg,C\n",
        "test/a.jpg": a_jpeg(),
        "metadata.csv": b"file_name,license\ntrain/a.jpg,CC0\n",
    }
    rows = list(read_folder(a_folder(tmp_path, files), "f"))
    records = {row.id: row for row in rows if isinstance(row, ImageRecord)}
    assert {name: row.title for name, row in records.items()} == {
        "test/a.jpg": "C",
        "train/a.jpg": "A",
        "train/in/b.jpg": "B",
    }
    assert records["train/a.jpg"].license_claims == (("license", "CC0"),)
    assert records["train/a.jpg"].evidence.place == "train/metadata.jsonl line 1, metadata.csv line 2"
    unreadable = [row for row in rows if isinstance(row, UnreadableRow)]
    assert unreadable == [UnreadableRow(place="train/metadata.jsonl line 3", problem="no picture at 'gone.jpg'")]


@pytest.mark.parametrize(
    ("pictures", "row", "found"),
    [
        (["UPPER.JPG"], "upper.jpg", "UPPER.JPG"),
        (["a.JPG", "a.jpg"], "a.jpg", "a.jpg"),
        (["a.JPG", "A.jpg"], "a.jpg", None),
        (["In/a.jpg"], "in/a.jpg", None),
        ([unicodedata.normalize("NFD", "Ä.jpg")], "ä.JPG", unicodedata.normalize("NFD", "Ä.jpg")),
    ],
)
def test_a_name_in_another_case_is_found_where_it_can_mean_no_other(pictures, row, found, tmp_path):
    table = {"metadata.csv": f"file_name,text\n{row},A\n".encode()}
    path = a_folder(tmp_path, {**{name: a_jpeg() for name in pictures}, **table})
    titled = [one.id for one in read_folder(path, "f") if isinstance(one, ImageRecord) and one.title == "A"]
    assert titled == ([found] if found else [])
    assert bool(problems_in(path)) == (found is None)


def test_what_an_album_says_of_itself_is_no_table(tmp_path):
    files = {"2024/a.jpg": a_jpeg(), "2024/metadata.json": {"title": "2024", "date": {"timestamp": "1"}}}
    assert one_record(tmp_path, {"2024/a.jpg": a_jpeg()}).title is None
    assert problems_in(a_folder(tmp_path, files)) == [
        ("2024/metadata.json", "no list of objects, each with a file_name")
    ]


@pytest.mark.parametrize("name", ["captions.csv", "data.jsonl", "train.parquet", "labels.TSV"])
def test_a_table_of_another_name_is_told_what_it_should_be_called(name, tmp_path):
    path = a_folder(tmp_path, {"a.jpg": a_jpeg(), name: b"file_name,text\na.jpg,A\n"})
    called = f"metadata.{name.rpartition('.')[2].lower()}"
    assert problems_in(path) == [(name, f"no picture; the table of a folder's pictures is called {called!r}")]


def test_a_table_beside_pictures_may_have_quotes_that_are_letters(tmp_path):
    table = b'file_name\ttext\na.jpg\t"Big Bell" at night\n'
    assert one_record(tmp_path, {"a.jpg": a_jpeg(), "metadata.tsv": table}).title == '"Big Bell" at night'
