"""Pictures in folders, tars and Parquet: all are found, and what is none is named."""

import io
import os
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.disk.tars import write_tar
from byline.catalog.errors import ConfigError
from byline.pictures.files import MAX_PICTURE_BYTES, find_pictures, size_of
from tests.builders import a_picture, encoded

PICTURE, OTHER = encoded(a_picture(1)), encoded(a_picture(2), "PNG")


def _found(*paths):
    return {one.name: one for one in find_pictures(list(paths))}


def _pictures(*paths):
    return {name: one.data for name, one in _found(*paths).items() if one.data is not None}


def _problem(path):
    return "; ".join(str(one.problem) for one in _found(path).values() if one.data is None)


def _tar_of(path, members):
    with path.open("wb") as file:
        write_tar(file, members)
    return path


def test_folders_are_searched_to_the_bottom_and_named_from_the_top(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/1.jpg").write_bytes(PICTURE)
    (tmp_path / "2.png").write_bytes(OTHER)
    assert _pictures(tmp_path) == {"2.png": OTHER, "a/b/1.jpg": PICTURE}


def test_a_picture_is_known_by_its_content(tmp_path):
    (tmp_path / "looks-like-text.txt").write_bytes(PICTURE)
    assert list(_pictures(tmp_path)) == ["looks-like-text.txt"]


def test_labels_are_told_from_pictures_that_cannot_be_read(tmp_path):
    (tmp_path / "1.json").write_bytes(b"{}")
    (tmp_path / "1.avif").write_bytes(b"\0\0\0\x20ftypavif")
    found = _found(tmp_path)
    assert {name: one.is_beside for name, one in found.items()} == {"1.json": True, "1.avif": False}
    assert "AVIF, which is not read" in found["1.avif"].problem


def test_members_of_a_tar_are_read(tmp_path):
    tar = _tar_of(tmp_path / "0.tar", [("a.jpg", PICTURE), ("a.txt", b"words"), ("b.png", OTHER)])
    assert _pictures(tar) == {"0.tar/a.jpg": PICTURE, "0.tar/b.png": OTHER}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_a_tar_leads_nowhere(kind, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(PICTURE)
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        info = tarfile.TarInfo("a.jpg")
        info.type, info.linkname = kind, str(tmp_path / "secret.jpg")
        archive.addfile(info)
    found = _found(tmp_path / "0.tar")["0.tar/a.jpg"]
    assert found.data is None
    assert "is not read out of a tar" in found.problem


def test_where_a_tar_is_damaged_is_said(tmp_path):
    tar = _tar_of(tmp_path / "0.tar", [("a.jpg", PICTURE), ("b.png", OTHER)])
    data = bytearray(tar.read_bytes())
    second = data.index(b"b.png")
    data[second : second + 8] = b"\xff" * 8
    tar.write_bytes(data)
    assert f"damaged or cut off at byte {second:,}" in _problem(tar)
    assert list(_pictures(tar)) == ["0.tar/a.jpg"]


@pytest.mark.parametrize("keep", [700, 1024])
def test_a_tar_that_is_cut_off_is_named(keep, tmp_path):
    tar = _tar_of(tmp_path / "0.tar", [("a.jpg", PICTURE), ("b.png", OTHER)])
    tar.write_bytes(tar.read_bytes()[:keep])
    assert "cut off" in _problem(tar)
    assert not _pictures(tar)


@pytest.mark.parametrize(
    ("column", "values", "kind"),
    [
        ("image", [{"bytes": PICTURE, "path": "1.jpg"}], pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("jpg", [PICTURE], pa.binary()),
        ("bytes", [PICTURE], pa.large_binary()),
    ],
)
def test_pictures_in_parquet_are_found_by_their_column(column, values, kind, tmp_path):
    pq.write_table(pa.table({"key": ["1"], column: pa.array(values, kind)}), tmp_path / "a.parquet")
    assert _pictures(tmp_path) == {f"a.parquet/{column}/0": PICTURE}


def test_an_empty_cell_is_named(tmp_path):
    pq.write_table(pa.table({"jpg": pa.array([PICTURE, None], pa.binary())}), tmp_path / "a.parquet")
    assert _found(tmp_path)["a.parquet/jpg/1"].problem == "the cell is empty"


def test_parquet_without_pictures_says_what_it_has(tmp_path):
    pq.write_table(pa.table({"url": ["x"]}), tmp_path / "a.parquet")
    assert "no column of pictures" in _problem(tmp_path)
    assert "it has url" in _problem(tmp_path)


def test_damaged_parquet_is_named(tmp_path):
    sink = io.BytesIO()
    pq.write_table(pa.table({"jpg": pa.array([PICTURE], pa.binary())}), sink)
    (tmp_path / "a.parquet").write_bytes(sink.getvalue()[:-20])
    assert "damaged" in _problem(tmp_path)


def test_a_picture_of_too_many_bytes_is_not_loaded(tmp_path):
    with (tmp_path / "1.jpg").open("wb") as file:
        file.write(PICTURE)
        file.truncate(MAX_PICTURE_BYTES + 1)
    assert "the limit is" in _problem(tmp_path)


def test_a_folder_that_holds_itself_is_read_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.jpg").write_bytes(PICTURE)
    (tmp_path / "a/again").symlink_to(tmp_path)
    assert list(_pictures(tmp_path)) == ["a/1.jpg"]


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    assert {name: one.problem for name, one in _found(tmp_path).items()} == dict.fromkeys(
        ("gone.jpg", "pipe.jpg"), "it is no file, or a link to nowhere"
    )


def test_a_path_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no file or folder at .*none"):
        size_of([tmp_path / "none"])
