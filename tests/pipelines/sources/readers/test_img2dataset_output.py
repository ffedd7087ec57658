"""What img2dataset really wrote, and what somebody else might have made of it."""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from byline.catalog.corpora.records import ImageRecord, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import SourceError
from byline.pipelines.fetching.held import read_held
from byline.pipelines.sources.readers.img2dataset_output import read_img2dataset
from byline.pipelines.sources.readers.options import ReadOptions
from tests.builders import a_picture, a_server, encoded
from tests.pipelines.sources.readers.folders import CLAIMED, a_jpeg, a_packet

NUM_PICTURES = 5
RUN = """
from img2dataset import download
download(
    {urls!r}, image_size=64, output_folder={out!r}, processes_count=1, thread_count=4, output_format={form!r},
    input_format="csv", url_col="url", caption_col="caption", save_additional_columns=["rights"],
    number_sample_per_shard=4, resize_only_if_bigger=True, retries=0, timeout=5,
)
"""
PICTURE = encoded(a_picture(1))
A_ROW = {"url": "http://x/1.jpg", "key": "000000000", "status": "success", "caption": "one"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Run img2dataset in both of its layouts over five pictures and a page that is gone; give folder and base URL."""
    folder = tmp_path_factory.mktemp("img2dataset")
    answers = {f"/{n}.jpg": (200, "image/jpeg", encoded(a_picture(n))) for n in range(NUM_PICTURES)}
    with a_server(answers) as (url, _):
        rows = [f"{url}/{n}.jpg,picture {n},{'CC BY 4.0' if n else ''}" for n in range(NUM_PICTURES)]
        (folder / "urls.csv").write_text("\n".join(["url,caption,rights", *rows, f"{url}/gone.jpg,gone,CC0"]) + "\n")
        for form in ("webdataset", "files"):
            command = RUN.format(urls=str(folder / "urls.csv"), out=str(folder / form), form=form)
            subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, env={**os.environ})
    return folder, url


def _bytes(record: ImageRecord) -> bytes:
    assert record.held is not None
    body = read_held(record.held, max_bytes=1_000_000).body
    assert body is not None
    return body


@pytest.mark.slow
@pytest.mark.parametrize("form", ["webdataset", "files"])
def test_every_picture_that_came_is_held_and_what_failed_is_left_to_be_fetched(written, form):
    folder, url = written
    records = list(read_img2dataset(str(folder / form), "i"))
    assert {record.url for record in records if record.held} == {f"{url}/{n}.jpg" for n in range(NUM_PICTURES)}
    assert [record.title for record in records if not record.held] == ["gone"]
    for record in records:
        if record.held:
            assert Image.open(io.BytesIO(_bytes(record))).size == (64, 64)
            assert (record.width, record.height) == (96, 64)


@pytest.mark.slow
def test_ids_and_texts_are_those_of_the_list_not_of_the_run(written):
    folder, url = written
    options = ReadOptions(columns={"license": "rights", "description": "caption"}, save_additional_columns=("sha256",))
    webdataset, files = (
        {record.id: record for record in read_img2dataset(str(folder / form), "i", options)}
        for form in ("webdataset", "files")
    )
    assert webdataset.keys() == files.keys()
    record = webdataset[sha256_hex(f"{url}/3.jpg".encode())]
    assert (record.description, record.title) == ("picture 3", None)
    assert record.license_claims == (("rights", "CC BY 4.0"),)
    assert record.extras == (("sha256", sha256_hex(encoded(a_picture(3)))),)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record.evidence.retrieved_at)
    assert record.evidence.file.endswith("webdataset/00000.parquet")


@pytest.mark.slow
def test_a_tar_that_is_cut_short_keeps_what_is_whole(written, tmp_path):
    shutil.copytree(written[0] / "webdataset", tmp_path / "out")
    tar = tmp_path / "out" / "00000.tar"
    with tarfile.open(tar) as archive:
        last = [info for info in archive if info.name.endswith(".jpg")][-1]
    os.truncate(tar, last.offset_data + last.size - 1)
    before = list(read_img2dataset(str(written[0] / "webdataset"), "i"))
    after = list(read_img2dataset(str(tmp_path / "out"), "i"))
    lost = [row.problem for row in after if isinstance(row, UnreadableRow)]
    assert len(lost) == 2
    assert "no picture has the key" in lost[0]
    assert lost[1] == "00000.tar is damaged or cut short (unexpected end of data)"
    kept = [record.id for record in after if isinstance(record, ImageRecord)]
    assert len(kept) == len(before) - 1


def _shard(folder: Path, members, rows=(A_ROW,), *, name: str = "00000") -> str:
    """Write a shard whose tar has `members`: (name, bytes) or (TarInfo, bytes)."""
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / f"{name}.parquet")
    with tarfile.open(folder / f"{name}.tar", "w") as archive:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            if not isinstance(member, tarfile.TarInfo):
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(folder)


def _info(name: str, kind: bytes, **fields) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize("name", ["000000000.jpg", "./000000000.jpg", "000000000.png"])
def test_a_member_is_found_by_its_key(name, tmp_path):
    (record,) = read_img2dataset(_shard(tmp_path, [("000000000.json", b"{}"), (name, PICTURE)]), "i")
    assert _bytes(record) == PICTURE


def test_long_names_and_extended_headers_are_passed_over(tmp_path):
    extended = _info("000000000.jpg", tarfile.REGTYPE, size=len(PICTURE), pax_headers={"comment": "x" * 3000})
    (record, told) = read_img2dataset(_shard(tmp_path, [("a/" * 200 + "b.jpg", b"x"), (extended, PICTURE)]), "i")
    assert _bytes(record) == PICTURE
    assert told.problem == "no row speaks of 1 of its pictures"


@pytest.mark.parametrize(
    "member",
    [
        _info("000000000.jpg", tarfile.SYMTYPE, linkname="/etc/passwd"),
        _info("000000000.jpg", tarfile.LNKTYPE, linkname="../../etc/passwd"),
        _info("000000000.jpg", tarfile.CHRTYPE),
        _info("000000000.jpg", tarfile.FIFOTYPE),
        _info("000000000.jpg", tarfile.DIRTYPE),
        _info("/000000000.jpg", tarfile.REGTYPE),
        _info("../000000000.jpg", tarfile.REGTYPE),
        _info("000000000.jpg/../../x.jpg", tarfile.REGTYPE),
    ],
    ids=lambda member: f"{member.name} {member.type!r}",
)
def test_what_is_no_plain_member_of_that_name_is_not_held(member, tmp_path):
    first, *_ = read_img2dataset(_shard(tmp_path, [(member, b"")]), "i")
    assert first == UnreadableRow(place="00000.parquet row 1", problem="no picture has the key '000000000'")


def test_a_key_is_no_path(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(PICTURE)
    folder = tmp_path / "out"
    (folder / "00000").mkdir(parents=True)
    (folder / "00000" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    rows = [{**A_ROW, "key": key} for key in ("../../secret", str(tmp_path / "secret"), "link")]
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    assert [type(row) for row in read_img2dataset(str(folder), "i")] == [UnreadableRow] * 3


def test_two_pictures_of_one_key_are_neither(tmp_path):
    (row,) = read_img2dataset(_shard(tmp_path, [("000000000.jpg", PICTURE), ("000000000.png", b"x")]), "i")
    assert row.problem == "two pictures have the key '000000000'"


def _header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    info = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    info[124:136], info[156:157] = size, kind
    info[148:156] = b" " * 8
    info[148:156] = b"%06o\0 " % sum(info)
    return bytes(info)


HOSTILE = {
    "empty": b"",
    "no tar": b"\x89PNG" + bytes(3000),
    "gzip": b"\x1f\x8b" + bytes(1000),
    "larger than the file": _header("000000000.jpg", b"77777777777\0") + PICTURE,
    "extended header of 8 GB": _header("x", b"77777777777\0", b"x") + bytes(2000),
    "long name of 8 GB": _header("x", b"77777777777\0", b"L") + bytes(2000),
    "extended header of 4 MB": _header("x", b"00020000000\0", b"x") + bytes(5_000_000),
    "of negative size": _header("000000000.jpg", b"\xff" * 12) + bytes(2000),
    "long names without end": _header("x", b"00000000001\0", b"L") * 3000,
    "damaged checksum": _header("a.jpg", b"00000000000\0") + b"x" * 1024,
    "sparse": _header("000000000.jpg", b"00000000000\0", b"S") + bytes(2000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_tar_costs_its_pictures_and_no_memory(name, tmp_path):
    _shard(tmp_path, [])
    (tmp_path / "00000.tar").write_bytes(HOSTILE[name])
    tracemalloc.start()
    try:
        row, *_ = read_img2dataset(str(tmp_path), "i")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert row.problem.startswith("no picture has the key '000000000'")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_members_that_nobody_speaks_of(tmp_path):
    _shard(tmp_path, [("000000000.jpg", PICTURE)])
    with open(tmp_path / "00000.tar", "wb") as file:
        file.writelines(_header(f"{n:09d}.jpg", b"00000000000\0") for n in range(1, 30_000))
    tracemalloc.start()
    try:
        *_, told = read_img2dataset(str(tmp_path), "i")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert told.problem == "no row speaks of 29999 of its pictures"


def test_a_column_of_ids_is_the_id(tmp_path):
    (record,) = read_img2dataset(_shard(tmp_path, [("000000000.jpg", PICTURE)], [{**A_ROW, "uid": "u7"}]), "i")
    assert record.record_id == "i:u7"


def test_what_failed_says_why_when_the_config_asks(tmp_path):
    row = {**A_ROW, "status": "failed_to_download", "error_message": "HTTP Error 404: Not Found"}
    options = ReadOptions(save_additional_columns=("status", "error_message"))
    (record,) = read_img2dataset(_shard(tmp_path, [], [row]), "i", options)
    assert (record.held, dict(record.extras)["error_message"]) == (None, "HTTP Error 404: Not Found")


@pytest.mark.parametrize("change", [{"url": None}, {"url": ""}, {"key": "9"}])
def test_a_bad_row_is_told_and_the_next_is_read(change, tmp_path):
    bad, good = read_img2dataset(_shard(tmp_path, [("000000000.jpg", PICTURE)], [{**A_ROW, **change}, A_ROW]), "i")
    assert (bad.place, isinstance(good, ImageRecord)) == ("00000.parquet row 1", True)


def test_a_torn_parquet_costs_its_shard_only(tmp_path):
    for name in ("00000", "00001"):
        _shard(tmp_path, [("000000000.jpg", PICTURE)], name=name)
    os.truncate(tmp_path / "00000.parquet", 100)
    torn, good = read_img2dataset(str(tmp_path), "i")
    assert (torn.place, torn.problem[:24]) == ("00000.parquet", "not a whole Parquet file")
    assert _bytes(good) == PICTURE


def test_a_shard_that_was_not_finished_is_told(tmp_path):
    _shard(tmp_path, [("000000000.jpg", PICTURE)])
    (tmp_path / "00001.tar").write_bytes(b"")
    assert list(read_img2dataset(str(tmp_path), "i"))[1] == UnreadableRow(
        place="00001.tar", problem="no 00001.parquet beside it: the shard was not finished"
    )


def test_a_shard_without_pictures_is_told_of_each_row(tmp_path):
    _shard(tmp_path, [])
    (tmp_path / "00000.tar").unlink()
    (row,) = read_img2dataset(str(tmp_path), "i")
    assert row.problem == "no picture has the key '000000000': there is neither 00000.tar nor a folder 00000"


@pytest.mark.parametrize(
    ("rows", "options", "line"),
    [
        (
            [{"url": "http://x"}],
            ReadOptions(),
            "has no column 'key', which img2dataset writes; its columns are url; check",
        ),
        ([{"key": "0", "status": "success"}], ReadOptions(), "has no column of URLs"),
        (
            [A_ROW],
            ReadOptions(columns={"license": "rights"}),
            "has no column 'rights', which should be the license",
        ),
        ([A_ROW], ReadOptions(save_additional_columns=("sha256",)), "has no column 'sha256' to save"),
    ],
)
def test_columns_that_are_not_there_are_one_line(rows, options, line, tmp_path):
    with pytest.raises(SourceError, match=re.escape(line)):
        list(read_img2dataset(_shard(tmp_path, [], rows), "i", options))


def test_what_is_no_output_of_img2dataset_is_one_line(tmp_path):
    with pytest.raises(SourceError, match="holds no shard of img2dataset"):
        list(read_img2dataset(str(tmp_path), "i"))
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(SourceError, match="is a file; give the folder that img2dataset wrote as `path`"):
        list(read_img2dataset(str(tmp_path / "a.parquet"), "i"))


def test_a_shard_whose_parquet_is_a_pipe_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "00000.parquet")
    (row,) = read_img2dataset(str(tmp_path), "i")
    assert row == UnreadableRow(place="00000.parquet", problem="no regular file")


def test_a_picture_that_was_kept_as_it_came_says_what_it_says_in_a_folder(tmp_path):
    said = a_jpeg(xmp=a_packet())
    (record,) = read_img2dataset(_shard(tmp_path, [("000000000.jpg", said)]), "i")
    assert (record.title, record.creator, record.license_claims) == ("one", "Ada; Bob", CLAIMED)
