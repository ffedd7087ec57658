"""What stands beside the pictures of a folder: sidecars and tables."""

import re

import pytest

from byline.catalog.corpora.records import UnreadableRow
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers.folder import read_folder
from byline.pipelines.sources.readers.options import ReadOptions
from tests.pipelines.sources.readers.folders import a_folder, a_jpeg, an_exif, one_record, problems_in


def test_coordinates_of_a_sidecar_are_left_out_too(tmp_path):
    files = {"a.jpg": a_jpeg(), "a.json": {"latitude": 64.14, "longitude": -21.9}}
    assert "64.14" not in str(one_record(tmp_path, files))
    assert one_record(tmp_path, files, ReadOptions(save_additional_columns=("latitude",))).extras == (
        ("latitude", "64.14"),
    )


SAID = {"url": "https://x.example/1.jpg", "landing_url": "https://x.example/1", "license": "CC0-1.0", "creator": "Eve"}


@pytest.mark.parametrize("name", ["a.json", "a.jpg.json"])
def test_a_sidecar_comes_before_what_is_inside(name, tmp_path):
    record = one_record(tmp_path, {"a.jpg": a_jpeg(exif=an_exif(artist="Ada", description="inside")), name: SAID})
    assert (record.creator, record.url, record.landing_url) == ("Eve", SAID["url"], SAID["landing_url"])
    assert (record.description, record.license_claims) == ("inside", (("license", "CC0-1.0"),))
    assert record.evidence.place == f"{name}, the picture itself"


@pytest.mark.parametrize(
    "table",
    [
        {"metadata.csv": b'file_name,text,license,tags\r\nsub/a.jpg,"A tower,\nold",CC0,"sea, tower"\r\n'},
        {
            "metadata.jsonl": b'{"file_name": "./sub/a.jpg", "text": "A tower,\\nold", "license": "CC0", '
            b'"tags": ["sea", "tower"]}\n'
        },
        *(
            {
                "metadata.jsonl": b'{"image": ' + image + b', "text": "A tower,\\nold", "license": "CC0", '
                b'"tags": ["sea", "tower"]}\n'
            }
            for image in (b'{"path": "sub/a.jpg"}', b'{"bytes": null, "path": "./sub/a.jpg"}')
        ),
    ],
)
def test_a_table_says_what_each_picture_is(table, tmp_path):
    record = one_record(tmp_path, {"sub/a.jpg": a_jpeg(), **table})
    assert (record.title, record.tags) == ("A tower, old", ("sea", "tower"))
    assert record.license_claims == (("license", "CC0"),)
    assert record.evidence.place.startswith(next(iter(table)))


def test_the_nearest_sidecar_counts_and_every_license_stays(tmp_path):
    files = {
        "a.jpg": a_jpeg(),
        "a.jpg.json": {"title": "near", "license": "CC0"},
        "a.json": {"title": "far", "text": "x"},
    }
    files["metadata.csv"] = b"file_name,license\na.jpg,CC BY 4.0\n"
    record = one_record(tmp_path, files)
    assert (record.title, record.description) == ("near", "x")
    assert record.license_claims == (("license", "CC0"), ("license", "CC BY 4.0"))


def test_a_config_says_which_names_are_fields_and_which_licenses_count(tmp_path):
    files = {"a.jpg": a_jpeg(exif=an_exif(rights="(c) Ada")), "a.json": {"by": "Eve", "terms": "CC0", "license": "own"}}
    options = ReadOptions(columns={"creator": "by", "license": "terms"})
    record = one_record(tmp_path, files, options)
    assert (record.creator, record.license_claims) == ("Eve", (("terms", "CC0"),))


def test_evidence_changes_with_what_is_said_beside(tmp_path):
    plain = one_record(tmp_path, {"a.jpg": a_jpeg(exif=an_exif(artist="Ada"))}).evidence
    assert plain.sha256 != one_record(tmp_path, {"a.json": {"title": "new"}}).evidence.sha256
    assert plain.file == f"{tmp_path}/a.jpg"


@pytest.mark.parametrize(
    ("sidecar", "problem"),
    [
        (b"{", "its sidecar a.json: no JSON: "),
        (b"[1]", "its sidecar a.json: no JSON object"),
        (b"\xff\xfe", "its sidecar a.json: no JSON: "),
        (b"[" * 100_000, "its sidecar a.json: no JSON: nested too deep"),
        (b'{"a": "' + b"x" * 2_000_000, "its sidecar a.json: it has more than 1,048,576 bytes"),
        (b'{"title": {"a": 1}}', "title is not text"),
        (b'{"license": true}', "license is not text"),
        (b'{"width": "wide"}', "width is not a number of pixels"),
        (b'{"title": "half \\ud83d", "id": "half \\ud83d"}', "id is not Unicode"),
    ],
)
def test_a_bad_sidecar_costs_its_picture_whose_license_is_then_not_known(sidecar, problem, tmp_path):
    ((place, said),) = problems_in(a_folder(tmp_path, {"a.jpg": a_jpeg(), "a.json": sidecar}))
    assert (place, said[: len(problem)]) == ("a.jpg", problem)


@pytest.mark.parametrize(
    ("table", "problems"),
    [
        (b"file_name,title\na.jpg,A\nb.jpg,B\n", ["no picture at 'b.jpg'"]),
        (b"file_name,title\na.jpg,A\n../../a.jpg,B\n", ["no picture at '../../a.jpg'"]),
        (b"file_name,title\na.jpg,A\na.jpg,B\n", ["'a.jpg' came before"]),
        (b"file_name,title\na.jpg,A,more\n", ["3 columns; expected 2"]),
        (b"file_name,title\n,A\n", ["no file_name"]),
    ],
)
def test_rows_of_a_table_without_a_picture_are_told(table, problems, tmp_path):
    path = a_folder(tmp_path, {"a.jpg": a_jpeg(), "metadata.csv": table})
    assert [problem for _, problem in problems_in(path)] == problems


def test_a_bad_line_of_a_table_is_told_with_its_number(tmp_path):
    table = b'{"file_name": "a.jpg", "title": "A"}\n{"file_name"\n'
    ((place, problem),) = problems_in(a_folder(tmp_path, {"a.jpg": a_jpeg(), "metadata.jsonl": table}))
    assert (place, problem[:8]) == ("metadata.jsonl line 2", "no JSON:")


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (
            {"metadata.csv": b"file,title\n"},
            "needs a column 'file_name', and each name once; its columns are file, title",
        ),
        ({"metadata.csv": b""}, "needs a column 'file_name', and each name once; its columns are none"),
        ({"metadata.csv": b"file_name,a\n\xff\xfe,b\n"}, "cannot be read: "),
        ({"metadata.csv": b'file_name,a\n"x,b,c\n'}, "cannot be read: "),
        (
            {"metadata.csv": b"file_name\n", "metadata.jsonl": b"{}"},
            "has both metadata.csv and metadata.jsonl; keep one",
        ),
    ],
)
def test_a_table_of_no_use_is_one_line(files, line, tmp_path):
    with pytest.raises(SourceError, match=re.escape(line)) as told:
        list(read_folder(a_folder(tmp_path, files), "f"))
    assert "\n" not in str(told.value)


def test_a_row_of_several_lines_has_the_number_of_its_first(tmp_path):
    table = b'file_name,title\na.jpg,"A\nB"\nb.jpg,"B\nC\nD",too\n'
    path = a_folder(tmp_path, {"a.jpg": a_jpeg(), "metadata.csv": table})
    assert problems_in(path) == [("metadata.csv line 4", "3 columns; expected 2")]


def test_a_name_in_the_config_that_no_picture_has_is_told(tmp_path):
    path = a_folder(tmp_path, {"a.jpg": a_jpeg(), "a.json": {"licence": "CC0", "who": "Ada"}})
    options = ReadOptions(columns={"license": "license_", "creator": "who"})
    told = [row for row in read_folder(path, "f", options) if isinstance(row, UnreadableRow)]
    problem = "no picture says 'license_', which the config names for license"
    assert told == [UnreadableRow(place=path, problem=problem)]
