"""Sources on an object store: the records and the pictures of the same files on this machine."""

import json
import secrets
import tarfile
from io import BytesIO

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.corpora.packs import Outcome
from byline.catalog.disk.storage import Store
from byline.catalog.errors import SourceError
from byline.pipelines.beam.stages.ingest import ingest
from byline.pipelines.fetching.held import read_held
from byline.pipelines.fetching.unpacked import Unpacked
from byline.pipelines.sources import ingested
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.ingested import records_path
from byline.pipelines.sources.readers.files import files_of
from tests.buckets import s3_bucket
from tests.builders import BY_4, a_picture, encoded

PICTURES = [encoded(a_picture(number)) for number in range(4)]
LIMIT = 1_000_000


@pytest.fixture
def bucket(monkeypatch):
    with s3_bucket(monkeypatch, f"far-{secrets.token_hex(8)}") as url:
        yield url


def a_folder(folder):
    """Write pictures of a folder, some with sidecars, some below."""
    (folder / "below").mkdir(parents=True)
    for number, picture in enumerate(PICTURES):
        name = f"below/{number}" if number % 2 else f"{number}"
        (folder / f"{name}.jpg").write_bytes(picture)
        (folder / f"{name}.json").write_text(json.dumps({"license": "CC BY 4.0", "creator": f"maker {number}"}))
    (folder / ".hidden").write_bytes(b"x")
    return "folder", ""


def an_img2dataset(folder):
    """Write what img2dataset writes: a table of a shard, and its tar."""
    folder.mkdir()
    keys = [f"{number:09d}" for number in range(len(PICTURES))]
    table = {"url": [f"http://x/{key}" for key in keys], "key": keys, "status": ["success"] * 4, "caption": keys}
    pq.write_table(pa.table(table), folder / "00000.parquet")
    with tarfile.open(folder / "00000.tar", "w") as tar:
        for key, picture in zip(keys, PICTURES, strict=True):
            info = tarfile.TarInfo(f"{key}.jpg")
            info.size = len(picture)
            tar.addfile(info, BytesIO(picture))
    return "img2dataset", ""


def pictures_in_tables(folder):
    """Write tables that hold the pictures."""
    folder.mkdir()
    for part in range(2):
        some = PICTURES[2 * part : 2 * part + 2]
        columns = {"image": pa.array(some), "license": [BY_4] * 2, "creator": ["Ada"] * 2}
        pq.write_table(pa.table(columns), folder / f"part-{part}.parquet", row_group_size=1)
    return "parquet", ""


def a_pattern_of_csv(folder):
    """Write tables of URLs, of which a pattern names some."""
    (folder / "more").mkdir(parents=True)
    for name in ("a.csv", "more/b.csv", "more/c.txt"):
        (folder / name).write_text(f"url,license,id\nhttp://x/{name},{BY_4},{name}\n")
    return "csv", "/**/*.csv"


def _uploaded(folder, bucket):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            boto3.client("s3").put_object(
                Bucket=bucket.removeprefix("s3://"), Key=f"own/{name}", Body=path.read_bytes()
            )
    return f"{bucket}/own"


def _records(source, store):
    return [row for part in ingest(source, store) for row in part.read_records(store).to_pylist()]


@pytest.mark.parametrize("write", [a_folder, an_img2dataset, pictures_in_tables, a_pattern_of_csv])
def test_a_source_on_an_object_store_gives_the_records_and_pictures_of_its_files(tmp_path, bucket, write):
    reader, pattern = write(tmp_path / "own")
    url = _uploaded(tmp_path / "own", bucket)
    near = SourceConfig(name="own", reader=reader, path=f"{tmp_path}/own{pattern}", num_packs=2)
    far = SourceConfig(name="own", reader=reader, path=f"{url}{pattern}", num_packs=2)
    here, there = _records(near, Store(str(tmp_path / "a"))), _records(far, Store(str(tmp_path / "b")))
    moved = json.loads(json.dumps(here, default=str).replace(f"{tmp_path}/own", url))
    assert json.loads(json.dumps(there, default=str)) == moved
    assert len(there) == (2 if pattern else 4)
    unpacked = Unpacked(tmp_path / "unpacked")
    for before, after in zip(here, there, strict=True):
        if before["held"]:
            assert after["held"].startswith(f"{url}/")
            pictures = [read_held(one["held"], max_bytes=LIMIT, unpacked=unpacked).body for one in (before, after)]
            assert pictures[0] in PICTURES
            assert pictures[0] == pictures[1]


def test_what_did_not_change_is_not_read_again_and_what_did_is(tmp_path, bucket, monkeypatch):
    a_pattern_of_csv(tmp_path / "own")
    url, store, read = _uploaded(tmp_path / "own", bucket), Store(str(tmp_path / "corpus")), []
    source = SourceConfig(name="own", reader="csv", path=f"{url}/a.csv", num_packs=1)
    digest = ingested._digest_of_file
    monkeypatch.setattr(ingested, "_digest_of_file", lambda path: read.append(path) or digest(path))
    first = records_path(source, store=store, keep=True)
    assert records_path(source, store=store, keep=True) == first
    assert read == [f"{url}/a.csv"]
    (tmp_path / "own/a.csv").write_text(f"url,license,id\nhttp://x/z,{BY_4},z\n")
    _uploaded(tmp_path / "own", bucket)
    assert records_path(source, store=store, keep=True) != first


def test_what_a_reader_finds_wrong_is_said_of_the_file_on_the_store(tmp_path, bucket):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/a.csv").write_text("nothing,useful\n1,2\n")
    url = _uploaded(tmp_path / "own", bucket)
    source = SourceConfig(name="own", reader="csv", path=f"{url}/a.csv", num_packs=1)
    with pytest.raises(SourceError, match=f"^{url}/a.csv has no column of URLs"):
        ingest(source, Store(str(tmp_path / "corpus")))


@pytest.mark.parametrize("place", ["none.csv", "none/", "*.tsv"])
def test_a_place_where_nothing_is_is_told(bucket, place):
    with pytest.raises(SourceError, match=r"^no source file at s3://.*; check `path` of source s$"):
        files_of(f"{bucket}/{place}", source="s")


def test_a_bucket_that_is_not_there_is_told(bucket):
    with pytest.raises(SourceError, match=r"^nothing at s3://no-such-bucket-at-all/a/?; check `path` of source s$"):
        files_of("s3://no-such-bucket-at-all/a", source="s")


def test_hidden_files_are_left_out_and_the_others_are_sorted(tmp_path, bucket):
    a_folder(tmp_path / "own")
    url = _uploaded(tmp_path / "own", bucket)
    names = [file.removeprefix(f"{url}/") for file in files_of(url)]
    assert names == sorted(names)
    assert names == ["0.jpg", "0.json", "2.jpg", "2.json", "below/1.jpg", "below/1.json", "below/3.jpg", "below/3.json"]


@pytest.mark.parametrize("held", ["{}/own/gone.jpg", "{}/own/00000.tar#512+9", "{}/own/part.parquet#0@0"])
def test_pictures_that_are_gone_are_unreachable(tmp_path, bucket, held):
    answer = read_held(held.format(bucket), max_bytes=LIMIT, unpacked=Unpacked(tmp_path))
    assert answer.outcome == Outcome.UNREACHABLE
    assert answer.message.startswith(f"cannot read {held.format(bucket).partition('#')[0]}: ")


def test_a_picture_that_is_too_large_or_cut_is_no_picture(tmp_path, bucket):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/a.jpg").write_bytes(PICTURES[0])
    url = _uploaded(tmp_path / "own", bucket)
    assert read_held(f"{url}/a.jpg", max_bytes=10).outcome == Outcome.TOO_LARGE
    assert read_held(f"{url}/a.jpg#0+{len(PICTURES[0]) + 1}", max_bytes=LIMIT).outcome == Outcome.DAMAGED
    assert read_held(f"{url}/a.jpg#2+3", max_bytes=LIMIT).body == PICTURES[0][2:5]
