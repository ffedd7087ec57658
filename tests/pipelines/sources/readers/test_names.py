"""What columns and keys are called: one owner for every reader."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.corpora.records import ImageRecord, UnreadableRow
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers import READERS
from byline.pipelines.sources.readers.names import AmbiguousNameError, field_of, nearest, one_of
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.taken import names_taken
from tests.pipelines.sources.readers.folders import a_folder, a_jpeg, one_record, problems_in

ROW = {
    "Image URL": "http://x/1",
    "Licence": "CC0",
    "Alt-Text": "A boat",
    "PHOTOGRAPHER": "Ada",
    "Key Words": "sea, boat",
}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Licence", "license"),
        ("LICENCE_URL", "license_url"),
        ("licenseUrl", "license_url"),
        ("image-url", "url"),
        ("Caption", "title"),
        ("Creator Name", "creator"),
        ("ｔｉｔｌｅ", "title"),
        ("Licens", None),
        ("link", None),
    ],
)
def test_case_separators_and_spelling_do_not_matter(name, field):
    assert field_of(name) == field


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Licens", "license"),
        ("rights holder", "creator"),
        ("lcense", "license"),
        ("creater", "creator"),
        ("link", "url"),
        ("Department", None),
        ("nsfw", None),
    ],
)
def test_what_is_near_a_field_is_told_and_what_is_not_is_not(name, field):
    assert nearest(name) == field


def test_of_names_for_who_made_it_none_is_more_wanted_than_another():
    assert one_of("creator", ["artist", "Creator", "author"]) == "Creator"
    with pytest.raises(AmbiguousNameError, match="artist and author may both be the creator; say in `columns`"):
        one_of("creator", ["author", "artist"])


def _as_csv(path, row):
    path.write_text(",".join(row) + "\n" + ",".join(f'"{value}"' for value in row.values()) + "\n")


def _as_parquet(path, row):
    pq.write_table(pa.table({name: [value] for name, value in row.items()}), path)


def _as_jsonl(path, row):
    path.write_text(json.dumps(row) + "\n")


TABLES = {"csv": _as_csv, "parquet": _as_parquet, "jsonl": _as_jsonl}


@pytest.mark.parametrize("reader", TABLES)
def test_every_table_is_read_by_the_same_names(reader, tmp_path):
    path = tmp_path / f"t.{reader}"
    TABLES[reader](path, ROW)
    (record,) = READERS[reader](str(path), "s", AS_IT_IS)
    assert (record.url, record.title, record.creator, record.tags) == ("http://x/1", "A boat", "Ada", ("sea", "boat"))
    assert record.license_claims == (("Licence", "CC0"),)


@pytest.mark.parametrize("reader", TABLES)
def test_a_table_in_which_two_may_have_made_it_is_one_line(reader, tmp_path):
    path = tmp_path / f"t.{reader}"
    TABLES[reader](path, {"url": "http://x/1", "author": "Ada", "artist": "Bob"})
    with pytest.raises(SourceError, match="artist and author may both be the creator"):
        list(READERS[reader](str(path), "s", AS_IT_IS))
    (record,) = READERS[reader](str(path), "s", ReadOptions(columns={"creator": "artist"}))
    assert record.creator == "Bob"


def test_a_sidecar_is_read_by_the_same_names(tmp_path):
    record = one_record(tmp_path, {"a.jpg": a_jpeg(), "a.json": ROW})
    assert (record.url, record.title, record.creator, record.tags) == ("http://x/1", "A boat", "Ada", ("sea", "boat"))
    assert record.license_claims == (("Licence", "CC0"),)


@pytest.mark.parametrize(
    "table",
    [
        {"metadata.csv": b"File Name,Title,Creator,Licence\na.jpg,A boat,Ada,CC0\n"},
        {"metadata.csv": b"\xef\xbb\xbffile_name;Title;Creator;Licence\na.jpg;A boat;Ada;CC0\n"},
        {"metadata.tsv": b"filename\tTitle\tCreator\tLicence\na.jpg\tA boat\tAda\tCC0\n"},
        {"metadata.jsonl": b'{"image": "a.jpg", "caption": "A boat", "Creator": "Ada", "Licence": "CC0"}\n'},
        {"metadata.json": [{"file_name": "a.jpg", "text": "A boat", "Creator": "Ada", "Licence": "CC0"}]},
    ],
)
def test_a_table_beside_pictures_is_read_by_the_same_names(table, tmp_path):
    record = one_record(tmp_path, {"a.jpg": a_jpeg(), **table})
    assert (record.title, record.creator, record.license_claims) == ("A boat", "Ada", (("Licence", "CC0"),))


def test_a_table_beside_pictures_may_be_parquet(tmp_path):
    pq.write_table(pa.table({"file_name": ["a.jpg"], "Caption": ["A boat"]}), tmp_path / "metadata.parquet")
    assert one_record(tmp_path, {"a.jpg": a_jpeg()}).title == "A boat"


def test_two_keys_of_a_sidecar_that_differ_cost_its_picture_and_equal_ones_do_not(tmp_path):
    files = {"a.jpg": a_jpeg(), "a.json": {"author": "Ada", "artist": "Bob"}}
    ((place, problem),) = problems_in(a_folder(tmp_path, files))
    assert (place, problem) == ("a.jpg", "artist and author may both be the creator; say in `columns` which it is")
    assert one_record(tmp_path, {"a.json": {"author": "Ada", "artist": "Ada"}}).creator == "Ada"


def test_a_text_is_the_title_where_there_is_none_and_else_the_description(tmp_path):
    record = one_record(tmp_path, {"a.jpg": a_jpeg(), "a.json": {"text": "A boat"}})
    assert (record.title, record.description) == ("A boat", None)
    record = one_record(tmp_path, {"a.json": {"title": "Boat", "text": "A boat at sea"}})
    assert (record.title, record.description) == ("Boat", "A boat at sea")


def test_a_file_of_text_beside_a_picture_is_its_caption(tmp_path):
    files = {"a.jpg": a_jpeg(), "a.txt": b"Ein Boot", "a.json": {"license": "CC0"}}
    record = one_record(tmp_path, files)
    assert (record.title, record.license_claims) == ("Ein Boot", (("license", "CC0"),))
    assert record.evidence.place == "a.json, a.txt"


def test_a_name_is_found_in_any_normal_form_and_as_windows_writes_it(tmp_path):
    table = '{"file_name": "sub\\\\e\u0301te\u0301.jpg", "title": "Summer"}\n'.encode()
    assert one_record(tmp_path, {"sub/\u00e9t\u00e9.jpg": a_jpeg(), "metadata.jsonl": table}).title == "Summer"


def test_a_sidecar_may_have_objects_fractions_and_lists(tmp_path):
    said = {
        "author": {"name": "Ada", "url": "https://x.example/ada"},
        "license": {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
        "tags": [{"name": "sea"}, "boat"],
        "width": 140.0,
    }
    record = one_record(tmp_path, {"a.jpg": a_jpeg(), "a.json": said})
    assert (record.creator, record.creator_url, record.tags) == ("Ada", "https://x.example/ada", ("sea", "boat"))
    assert record.width == 140
    assert record.license_claims == (("license", said["license"]["name"]), ("license_url", said["license"]["url"]))


@pytest.mark.parametrize(
    "tags", [["sea", "boat"], [{"name": "sea"}, {"name": "boat"}], '[{"name": "sea"}, "boat"]', "['sea', 'boat']"]
)
def test_tags_are_read_in_every_shape(tags, tmp_path):
    _as_jsonl(tmp_path / "t.jsonl", {"url": "http://x/1", "tags": tags})
    (record,) = READERS["jsonl"](str(tmp_path / "t.jsonl"), "s", AS_IT_IS)
    assert record.tags == ("sea", "boat")


def test_the_account_of_a_flickr_table_is_not_its_id(tmp_path):
    _as_parquet(tmp_path / "t.parquet", {"photoid": 7, "uid": "1@N00", "downloadurl": "http://x/1"})
    (record,) = READERS["parquet"](str(tmp_path / "t.parquet"), "s", AS_IT_IS)
    assert record.id == "7"


def test_a_line_that_is_no_object_costs_itself_alone(tmp_path):
    (tmp_path / "t.jsonl").write_text(
        '{"url": "http://x/1"}\n[1]\n\n{"url": "http://x/2", "title": "b"}\n{"title": "c"}\n'
    )
    one, bad, two, without = READERS["jsonl"](str(tmp_path / "t.jsonl"), "s", AS_IT_IS)
    assert bad == UnreadableRow(place="line 2", problem="no JSON object")
    assert (one.title, two.title, two.evidence.place) == (None, "b", "line 4")
    assert without == UnreadableRow(place="line 5", problem="no url")


def test_what_is_in_a_table_and_not_used_is_told_with_what_it_is_near(tmp_path):
    _as_csv(tmp_path / "t.csv", {"url": "http://x/1", "Licens": "CC0", "rights holder": "Ada", "Department": "Prints"})
    taken = names_taken("csv", str(tmp_path / "t.csv"))
    assert taken.fields == {"url": ["url"]}
    assert taken.not_used == {"Licens": "license", "rights holder": "creator", "Department": ""}


def test_what_is_beside_pictures_and_not_used_is_told(tmp_path):
    files = {
        "a.jpg": a_jpeg(),
        "a.json": {"Licens": "CC0", "Title": "A"},
        "metadata.csv": b"file_name,Shelf\na.jpg,3\n",
    }
    taken = names_taken("folder", a_folder(tmp_path, files))
    assert taken.fields == {"file_name": ["file_name"], "title": ["Title"]}
    assert taken.not_used == {"Shelf": "", "Licens": "license"}


def test_what_the_config_takes_or_keeps_is_used(tmp_path):
    _as_csv(tmp_path / "t.csv", {"link": "http://x/1", "Licens": "CC0", "Shelf": "3"})
    options = ReadOptions(columns={"url": "link", "license": "Licens"}, save_additional_columns=("Shelf",))
    assert names_taken("csv", str(tmp_path / "t.csv"), options).not_used == {}
    assert all(isinstance(row, ImageRecord) for row in READERS["csv"](str(tmp_path / "t.csv"), "s", options))
