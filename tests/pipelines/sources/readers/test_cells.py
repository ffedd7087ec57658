"""Pictures inside tables of Parquet: found, held where they lie, and laid into packs without a network."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.corpora.packs import Outcome
from byline.catalog.corpora.records import UnreadableRow
from byline.catalog.errors import SourceError, StorageError
from byline.pictures.cells import PictureColumn, cell_at
from byline.pipelines.beam.build import build
from byline.pipelines.fetching.held import read_held
from byline.pipelines.fetching.unpacked import Unpacked
from byline.pipelines.releases.verify import verify
from byline.pipelines.sources.readers.options import ReadOptions
from byline.pipelines.sources.readers.parquet import read_parquet
from tests.builders import BY_4, POLICY, a_picture, encoded
from tests.pipelines.sources.readers.folders import CLAIMED, a_jpeg, a_packet, an_exif, one_record

PICTURES = [encoded(a_picture(number)) for number in range(6)]
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
IN_STRUCTS = pa.array([{"bytes": data, "path": "a.jpg"} for data in PICTURES], STRUCT)


def _table(tmp_path, columns, **written):
    path = tmp_path / "part-0.parquet"
    pq.write_table(pa.table(columns), path, **written)
    return str(path)


def _records(path, options=None):
    return list(read_parquet(path, "s", options or ReadOptions()))


@pytest.mark.parametrize(
    "column", [IN_STRUCTS, pa.array(PICTURES), pa.array(PICTURES, pa.large_binary())], ids=["struct", "bytes", "large"]
)
@pytest.mark.parametrize("rows_per_group", [1, 4, 100])
def test_every_picture_is_held_where_it_lies(column, rows_per_group, tmp_path):
    path = _table(tmp_path, {"text": list("abcdef"), "image": column}, row_group_size=rows_per_group)
    records = _records(path)
    assert [record.id for record in records] == [f"part-0.parquet#{number}" for number in range(1, 7)]
    assert [read_held(record.held, max_bytes=10_000).body for record in records] == PICTURES
    assert (records[0].url, records[0].title) == ("held:part-0.parquet%231", "a")


def test_the_name_of_a_picture_does_not_depend_on_where_the_source_lies(tmp_path):
    (tmp_path / "license=CC0").mkdir()
    _table(tmp_path / "license=CC0", {"image": IN_STRUCTS})
    for path in (str(tmp_path), f"{tmp_path}/*/*.parquet"):
        assert _records(path)[0].id == "license=CC0/part-0.parquet#1"


def test_what_is_asked_together_is_unpacked_once(tmp_path):
    path, folder = _table(tmp_path, {"image": IN_STRUCTS}, row_group_size=3), tmp_path / "unpacked"
    unpacked = Unpacked(folder)
    for record in reversed(_records(path)):
        assert read_held(record.held, max_bytes=10_000, unpacked=unpacked).body in PICTURES
    assert sum(1 for _ in folder.iterdir()) == 2


@pytest.mark.parametrize("in_struct", [False, True])
def test_a_picture_that_many_cells_have_is_unpacked_once(in_struct, tmp_path):
    pictures = pa.DictionaryArray.from_arrays(pa.array([0, 1, None] * 1000, pa.int32()), pa.array(PICTURES[:2]))
    column = pa.StructArray.from_arrays([pictures], ["bytes"]) if in_struct else pictures
    path, folder = _table(tmp_path, {"image": column}, store_schema=False), tmp_path / "unpacked"
    unpacked, held = Unpacked(folder), PictureColumn(name="image", index=0)
    told = [read_held(held.held(path, row), max_bytes=10_000, unpacked=unpacked).body for row in range(6)]
    assert told == [*PICTURES[:2], b""] * 2
    (file,) = folder.iterdir()
    assert file.stat().st_size == sum(map(len, PICTURES[:2])) + 3000 * 16


def test_what_lies_in_a_cell_or_no_longer_does_is_an_outcome(tmp_path):
    path = _table(tmp_path, {"image": IN_STRUCTS})
    held = _records(path)[0].held
    assert read_held(held, max_bytes=10).outcome is Outcome.TOO_LARGE
    assert read_held(held.replace("#0@", "#99@"), max_bytes=10).outcome is Outcome.DAMAGED
    assert read_held(held.replace("@0", "@7"), max_bytes=10).outcome is Outcome.DAMAGED
    pq.write_table(pa.table({"other": [1]}), path)
    assert read_held(held, max_bytes=10_000).outcome is Outcome.DAMAGED
    (tmp_path / "part-0.parquet").write_bytes(b"PAR1")
    assert read_held(held, max_bytes=10_000).outcome is Outcome.DAMAGED
    (tmp_path / "part-0.parquet").unlink()
    assert read_held(held, max_bytes=10_000).outcome is Outcome.UNREACHABLE


def test_a_disk_that_cannot_be_written_is_no_outcome_of_a_picture(tmp_path):
    (tmp_path / "a file").touch()
    held = _records(_table(tmp_path, {"image": IN_STRUCTS}))[0].held
    with pytest.raises(StorageError, match="cannot write"):
        Unpacked(tmp_path / "a file" / "below").read(cell_at(held), max_bytes=10_000)


def test_a_cell_without_bytes_is_asked_by_its_url_or_told(tmp_path):
    cells = pa.array([{"bytes": None, "path": "a.jpg"}, None, {"bytes": PICTURES[0], "path": None}], STRUCT)
    rows = _records(_table(tmp_path, {"image": cells, "url": ["http://x/1", None, "http://x/3"]}))
    assert (rows[0].url, rows[0].held) == ("http://x/1", None)
    assert rows[1] == UnreadableRow(place="row 2", problem="no picture in 'image': its bytes are not in the file")
    assert (rows[2].url, rows[2].held is not None) == ("http://x/3", True)


def test_bytes_beside_urls_are_thumbnails_unless_the_config_says_else(tmp_path):
    path = _table(tmp_path, {"thumb": pa.array(PICTURES), "url": [f"http://x/{n}" for n in range(6)]})
    assert {record.held for record in _records(path)} == {None}
    assert None not in {record.held for record in _records(path, ReadOptions(columns={"picture": "thumb"}))}


@pytest.mark.parametrize(
    ("names", "options", "told"),
    [
        (["left", "right"], {}, r'left and right may each hold the pictures; say columns = { picture = "left" }'),
        (
            ["image"],
            {"columns": {"picture": "img"}},
            "has no column 'img' of bytes, which the config names for picture",
        ),
        (["image"], {"ignore_columns": ("image",)}, "has no column of URLs"),
    ],
)
def test_what_holds_no_pictures_or_may_is_one_line(names, options, told, tmp_path):
    path = _table(tmp_path, dict.fromkeys(names, IN_STRUCTS))
    with pytest.raises(SourceError, match=told):
        _records(path, ReadOptions(**options))


def test_of_several_columns_the_one_called_image_holds_the_pictures(tmp_path):
    path = _table(tmp_path, {"mask": IN_STRUCTS, "image": IN_STRUCTS})
    assert {record.held.rpartition("@")[2] for record in _records(path)} == {"1"}


def test_the_evidence_of_a_row_changes_with_its_picture(tmp_path):
    one, other = (pa.array([{"bytes": data, "path": "a"}], STRUCT) for data in PICTURES[:2])
    digests = {_records(_table(tmp_path, {"image": image}))[0].evidence.sha256 for image in (one, other)}
    assert len(digests) == 2


@pytest.mark.slow
@pytest.mark.beam
@pytest.mark.parametrize("workers", [1, 2])
def test_pictures_in_a_table_are_released_and_nothing_is_asked(workers, tmp_path):
    columns = {"image": IN_STRUCTS, "text": [f"Drawing {n}" for n in range(6)], "creator": ["Ada"] * 6}
    _table(tmp_path, {**columns, "license_url": [BY_4] * 6}, row_group_size=2)
    (tmp_path / "policy.toml").write_text(POLICY)
    config = tmp_path / "corpus.toml"
    config.write_text(
        'name = "own"\nroot = "corpus"\npolicy = "policy.toml"\n[[sources]]\nname = "hf"\nreader = "parquet"\n'
        'path = "part-0.parquet"\nnum_packs = 3\n[caption]\ncaptioner = "source-text"\n'
    )
    release = build(str(config), workers=workers)
    assert list(verify(release)) == []
    assert release.manifest.counts["admitted"] == 6
    left = [path for path in (tmp_path / "corpus" / ".partial").rglob("*") if path.is_file()]
    assert left == []


def test_a_picture_in_a_table_says_what_one_in_a_folder_says(tmp_path):
    said = a_jpeg(xmp=a_packet(), exif=an_exif(rights="All rights reserved"))
    in_folder = one_record(tmp_path / "f", {"a.jpg": said})
    (record,) = _records(_table(tmp_path, {"image": [said]}))
    told = ("title", "creator", "description", "tags", "license_claims")
    assert [getattr(record, name) for name in told] == [getattr(in_folder, name) for name in told]
    assert record.license_claims[-1] == ("exif:Copyright", "All rights reserved")


def test_a_column_does_not_silence_the_picture_unless_the_config_names_it(tmp_path):
    columns = {"image": [a_jpeg(xmp=a_packet()), PICTURES[0]], "license": ["CC0"] * 2, "title": ["Mine", "nan"]}
    path = _table(tmp_path, columns)
    first, second = _records(path)
    assert (first.title, first.creator) == ("Mine", "Ada; Bob")
    assert first.license_claims == (("license", "CC0"), *CLAIMED)
    assert (second.title, second.license_claims) == ("nan", (("license", "CC0"),))
    named = _records(path, ReadOptions(columns={"license": "license"}))
    assert named[0].license_claims == (("license", "CC0"),)


def test_what_a_picture_in_a_table_says_and_cannot_be_read_is_told_beside_its_record(tmp_path):
    told, record = _records(_table(tmp_path, {"image": [a_jpeg(xmp=b"<x")], "title": ["a"]}))
    assert (told.place, told.problem[:24]) == ("row 1", "its XMP cannot be read: ")
    assert record.title == "a"
