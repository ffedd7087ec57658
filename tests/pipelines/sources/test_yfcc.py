"""YFCC100M in real files, good and bad."""

import bz2
import gzip
import zlib

import pytest

from byline.catalog.corpora.records import ImageRecord, LeftOut, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers import files
from byline.pipelines.sources.readers.options import ReadOptions
from byline.pipelines.sources.readers.yfcc import read_yfcc
from tests.builders import a_yfcc_line

UNPACKERS = {".gz": lambda: zlib.decompressobj(wbits=31), ".bz2": bz2.BZ2Decompressor}
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}


def _lines(number: int, **overrides) -> str:
    return "".join(a_yfcc_line(str(n), f"http://x/{n}", **overrides) + "\n" for n in range(number))


def _numbered(line: str) -> str:
    photoid, *others = line.split("\t")
    return "\t".join(["0", photoid, "4e2f7a26a1dfbf165a7e30bdabf7e72a", *others])


def _read_yfcc(tmp_path, content: str | bytes, options: ReadOptions | None = None, *, name: str = "y"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yfcc(str(path), "y", options or ReadOptions())


def _yfcc(tmp_path, content: str | bytes, options: ReadOptions | None = None) -> list:
    return list(_read_yfcc(tmp_path, content, options))


@pytest.mark.parametrize("packed", PACKERS)
def test_compression_is_told_by_content_and_changes_no_record(packed, tmp_path):
    plain = _yfcc(tmp_path, _lines(3))
    assert _yfcc(tmp_path, PACKERS[packed](_lines(3).encode())) == plain
    assert [record.id for record in plain] == ["0", "1", "2"]


@pytest.mark.parametrize("packed", [".gz", ".bz2"])
def test_files_of_several_streams_are_read_to_the_end(packed, tmp_path):
    pack = PACKERS[packed]
    assert len(_yfcc(tmp_path, pack(_lines(2).encode()) + pack(_lines(3).encode()))) == 5


@pytest.mark.parametrize("packed", [".gz", ".bz2"])
@pytest.mark.parametrize("share", [0.55, 0.8, 0.999])
def test_a_file_that_is_cut_short_is_told_with_its_last_whole_line(packed, share, tmp_path):
    titles = (sha256_hex(str(number).encode()) for number in range(12_000))
    whole = PACKERS[packed]("".join(_lines(1, title=title) for title in titles).encode())
    cut = whole[: int(len(whole) * share)]
    last = UNPACKERS[packed]().decompress(cut).count(b"\n")
    read = []
    with pytest.raises(SourceError, match=rf"y.tsv is cut short: its last whole line is {last}; get the file again$"):
        read.extend(_read_yfcc(tmp_path, cut, name="y.tsv"))
    assert len(read) == last > 1000


def test_a_file_that_is_cut_short_in_its_first_line_is_told(tmp_path):
    with pytest.raises(SourceError, match="y is cut short: it has no whole line; get the file again$"):
        _yfcc(tmp_path, gzip.compress(_lines(1).encode(), mtime=0)[:20])


def test_damage_in_a_compressed_file_is_told_in_one_line(tmp_path):
    packed = bytearray(gzip.compress(_lines(20_000).encode(), mtime=0))
    half = len(packed) // 2
    packed[half : half + 100] = b"\xff" * 100
    with pytest.raises(SourceError, match=r"y is damaged \(.*\): its last whole line is \d+; get the file again$"):
        _yfcc(tmp_path, bytes(packed))


def test_both_forms_of_yfcc_give_equal_records_but_for_the_digest_of_the_line(tmp_path):
    line = a_yfcc_line("7", "http://x/7", pageurl="http://x/page")
    (one,) = _yfcc(tmp_path, line)
    (other,) = _yfcc(tmp_path, _numbered(line))
    assert one.evidence.sha256 != other.evidence.sha256
    assert vars(one) | {"evidence": None} == vars(other) | {"evidence": None}


def test_a_line_of_the_other_form_is_unreadable_not_misread(tmp_path):
    rows = _yfcc(tmp_path, _lines(2) + _numbered(a_yfcc_line("7", "http://x/7")))
    assert rows[2] == UnreadableRow(place="line 3", problem="25 columns; expected 23")


def test_videos_are_left_out_and_told(tmp_path):
    assert _yfcc(tmp_path, _lines(1) + _lines(2, marker="1"))[1:] == [LeftOut(kind="video")] * 2


def test_a_marker_of_neither_photo_nor_video_is_unreadable(tmp_path):
    assert _yfcc(tmp_path, _lines(1, marker="x"))[0].problem == "marker is 'x'; expected 0 or 1"


def test_coordinates_and_secrets_come_in_only_when_asked_for_decoded_and_under_the_files_names(tmp_path):
    secret = {"longitude": "-81.8", "latitude": "24.5", "secret": "5b0a", "secretoriginal": "91ce"}
    line = a_yfcc_line("1", "http://x/1", capturedevice="Canon+A%2F1", **secret)
    (record,) = _yfcc(tmp_path, line)
    assert not any(value in repr(record) for value in secret.values())
    (record,) = _yfcc(tmp_path, line, ReadOptions(save_additional_columns=("secret", "longitude", "capturedevice")))
    assert record.extras == (("secret", "5b0a"), ("longitude", "-81.8"), ("capturedevice", "Canon A/1"))


def test_a_file_of_another_kind_is_refused_at_its_hundredth_line(tmp_path):
    with pytest.raises(
        SourceError, match=r"y is not YFCC100M metadata: lines of 23 or 25 .* the first 100 have 2; check"
    ):
        _yfcc(tmp_path, "a\tb\n" * 100 + _lines(50))


def test_bad_lines_before_a_good_one_are_told_each(tmp_path):
    rows = _yfcc(tmp_path, "a\tb\n" * 99 + _lines(1))
    assert [row.place for row in rows[:-1]] == [f"line {n}" for n in range(1, 100)]
    assert isinstance(rows[-1], ImageRecord)


def test_a_line_without_end_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("byline.pipelines.sources.readers.files.MAX_LINE_BYTES", 1000)
    monkeypatch.setattr("byline.pipelines.sources.readers.yfcc.MAX_LINE_BYTES", 1000)
    rows = _yfcc(tmp_path, _lines(1) + "x" * 5000 + "\n" + _lines(1))
    assert rows[1] == UnreadableRow(place="line 2", problem="longer than 1000 bytes")
    assert [len(line) for line in files.lines_of(str(tmp_path / "y"))][1] == 1000
    assert rows[2].id == "0"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"columns": {"url": "photoid"}}, "columns of YFCC100M are known; remove `columns`"),
        ({"save_additional_columns": ("gps",)}, "no column 'gps' to save; its columns are photoid, uid, .*, marker$"),
    ],
)
def test_columns_that_yfcc_has_not_are_told(options, told, tmp_path):
    with pytest.raises(SourceError, match=told):
        _yfcc(tmp_path, _lines(1), ReadOptions(**options))


@pytest.mark.parametrize("column", ["photoid", "downloadurl"])
def test_an_id_or_url_that_is_not_utf_8_is_unreadable_and_not_another_pictures(column, tmp_path):
    fields = {"photoid": "1", "downloadurl": "http://x/1", column: "QQ"}
    line = a_yfcc_line(fields["photoid"], fields["downloadurl"]).encode().replace(b"QQ", b"\xff")
    assert _yfcc(tmp_path, line) == [
        UnreadableRow(place="line 1", problem="photoid or downloadurl is not UTF-8"),
    ]
