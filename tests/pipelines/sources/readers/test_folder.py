"""A folder of real pictures: their order, where they lie, and what must not be read."""

import io
import os

import pytest
from PIL import Image

from byline.catalog.corpora.records import ImageRecord, LeftOut, records_table
from byline.catalog.errors import SourceError
from byline.pipelines.fetching.held import read_held
from byline.pipelines.sources.readers.folder import read_folder
from tests.builders import a_picture, encoded
from tests.pipelines.sources.readers.folders import (
    PHOTOGRAPHS,
    a_folder,
    a_jpeg,
    one_record,
    problems_in,
)


def test_real_photographs_are_read_where_they_lie():
    rows = list(read_folder(str(PHOTOGRAPHS), "f"))
    records = [row for row in rows if isinstance(row, ImageRecord)]
    assert len(records) == sum(1 for path in PHOTOGRAPHS.iterdir() if path.suffix == ".jpg") > 100
    for record in records[:5]:
        body = read_held(record.held, max_bytes=10_000_000).body
        assert body == (PHOTOGRAPHS / record.id).read_bytes()
        assert (record.width, record.height) == Image.open(io.BytesIO(body)).size
    assert records_table(records, num_packs=2).num_rows == len(records)


def test_folders_come_sorted_files_before_what_is_below(tmp_path):
    names = ["b.jpg", "a.jpg", "z/1.jpg", "c/d/2.jpg", "c/1.jpg"]
    rows = list(read_folder(a_folder(tmp_path, dict.fromkeys(names, encoded(a_picture(1)))), "f"))
    assert [row.id for row in rows] == ["a.jpg", "b.jpg", "c/1.jpg", "c/d/2.jpg", "z/1.jpg"]


def test_a_picture_without_a_url_gets_none_that_could_be_asked(tmp_path):
    record = one_record(tmp_path, {"my pictures/täg #1.jpg": encoded(a_picture(1))})
    assert record.url == "held:my%20pictures/t%C3%A4g%20%231.jpg"
    assert (record.landing_url, record.license_claims, record.creator) == (None, (), None)


def test_hidden_files_are_left_out_and_counted(tmp_path):
    files = dict.fromkeys([".a.jpg", ".git/b.jpg", "sub/.DS_Store", "c.jpg"], a_jpeg())
    rows = list(read_folder(a_folder(tmp_path, files), "f"))
    assert rows.count(LeftOut(kind="hidden file")) == 3
    assert [row.id for row in rows if isinstance(row, ImageRecord)] == ["c.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"hello", "no picture of a kind that is read: it seems to be text"),
        ("empty.jpg", b"", "no picture of a kind that is read"),
        ("cut.jpg", encoded(a_picture(1))[:20], "no picture of a kind that is read"),
        ("page.jpg", b"<html><body>", "no picture of a kind that is read"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture of a kind that is read"),
        ("other.json", b"{}", "no picture beside it"),
        ("a.tar#0+5", a_jpeg(), "a name that ends like a place in a tar (#1+2) or table (#1@2); give"),
    ],
)
def test_what_is_no_picture_is_told_and_the_next_is_read(name, content, problem, tmp_path):
    path = a_folder(tmp_path, {name: content, "z.jpg": a_jpeg()})
    ((place, said),) = problems_in(path)
    assert (place, said[: len(problem)]) == (name, problem)
    assert [row.id for row in read_folder(path, "f") if isinstance(row, ImageRecord)] == ["z.jpg"]


def test_a_link_that_leaves_the_folder_is_refused_and_one_inside_is_read(tmp_path):
    outside = tmp_path / "outside"
    path = a_folder(tmp_path / "in", {"sub/a.jpg": a_jpeg(), "own.jpg": a_jpeg()})
    a_folder(outside, {"b.jpg": a_jpeg(), "secret.json": {"license": "CC0"}})
    (tmp_path / "in" / "inside.jpg").symlink_to(tmp_path / "in" / "sub" / "a.jpg")
    (tmp_path / "in" / "leaves.jpg").symlink_to(outside / "b.jpg")
    (tmp_path / "in" / "nowhere.jpg").symlink_to(tmp_path / "none")
    (tmp_path / "in" / "loop.jpg").symlink_to(tmp_path / "in" / "loop.jpg")
    (tmp_path / "in" / "folder").symlink_to(outside)
    (tmp_path / "in" / "up").symlink_to(tmp_path / "in" / "sub")
    (tmp_path / "in" / "own.json").symlink_to(outside / "secret.json")
    leaves = "a link that leaves the folder; put the file itself there"
    assert dict(problems_in(path)) == {
        "folder": leaves,
        "leaves.jpg": leaves,
        "loop.jpg": "a link that leads nowhere",
        "nowhere.jpg": "a link that leads nowhere",
        "own.jpg": f"its sidecar own.json: {leaves}",
        "up": "a link to a folder, which is not followed",
    }
    held = [row.held for row in read_folder(path, "f") if isinstance(row, ImageRecord)]
    assert held == [str(tmp_path / "in" / "sub" / "a.jpg")] * 2


def test_a_pipe_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert problems_in(str(tmp_path)) == [("a.jpg", "no regular file")]


def test_a_name_that_is_no_text_is_told_in_text(tmp_path):
    with open(os.fsencode(tmp_path) + b"/a\xff.jpg", "wb") as file:
        file.write(a_jpeg())
    ((place, _),) = problems_in(str(tmp_path))
    assert place == "a\\xff.jpg"


def test_a_folder_that_may_not_be_read_is_told(tmp_path):
    path = a_folder(tmp_path, {"shut/a.jpg": a_jpeg(), "z.jpg": a_jpeg()})
    (tmp_path / "shut").chmod(0)
    try:
        if os.access(tmp_path / "shut", os.R_OK):
            pytest.skip("root may read everything")
        assert problems_in(path) == [("shut/", "cannot be read: Permission denied")]
    finally:
        (tmp_path / "shut").chmod(0o755)


def test_a_file_is_no_folder(tmp_path):
    path = a_folder(tmp_path, {"a.jpg": a_jpeg()}) + "/a.jpg"
    with pytest.raises(SourceError, match="is a file; give a folder of pictures as `path`"):
        list(read_folder(path, "f"))
