"""Whatever is left of a removed picture is found, wherever it lies; what another picture shares is told apart."""

import base64
import gzip
import io
import random
import zlib
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from catalog.errors import StorageError
from catalog.storage import Store, parquet_bytes
from catalog.tars import write_tar
from pipelines.takedown import contents
from pipelines.takedown.scan import Scan, fingerprints, scan
from pipelines.takedown.windows import Matcher
from tests.builders import a_picture, encoded

KEY = b"a key of a corpus"
VICTIM = encoded(a_picture(1, size=(256, 256)), quality=95)
SAMPLES = Path(__file__).parent.parent.parent.parent / "samples"
DATA = VICTIM[VICTIM.index(b"\xff\xda") + 14 :]
"""Roughly its entropy-coded data."""


def _noise(size, seed=0):
    return np.random.default_rng(seed).bytes(size)


def _hits(root, *victims, kept=(), kept_keys=()):
    values = [fingerprints(victim, KEY) for victim in victims or (VICTIM,)]
    digests = {sha256(picture).hexdigest() for picture in kept}
    return list(
        scan(
            Store(str(root)),
            np.unique(np.concatenate(values)),
            KEY,
            is_kept=digests.__contains__,
            is_kept_key=set(kept_keys).__contains__,
        )
    )


def _found(root, *victims, **kept):
    return [(hit.path, hit.kind) for hit in _hits(root, *victims, **kept)]


def _put(root, path, data):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)


def _tar(**members):
    sink = io.BytesIO()
    write_tar(sink, [(name.replace("_", "."), data) for name, data in members.items()])
    return sink.getvalue()


def _a_twin():
    """Return two JPEGs with the same data at their start and other data behind."""
    first = a_picture(1, size=(256, 256))
    second = first.copy()
    second.paste(a_picture(2, size=(256, 128)), (0, 128))
    return encoded(first, quality=95), encoded(second, quality=95)


def test_nothing_is_found_where_nothing_is_left(tmp_path):
    _put(tmp_path, "packs/a.tar", _noise(100_000))
    assert _hits(tmp_path) == []


def test_a_scan_for_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no fingerprints"):
        _hits(tmp_path, b"tiny")


def test_a_missing_root_is_an_error(tmp_path):
    with pytest.raises(StorageError, match="nowhere"):
        _hits(tmp_path / "nowhere")


@pytest.mark.parametrize("offset", [0, 1, 63, 64, 1009])
def test_a_run_is_found_at_odd_offsets(tmp_path, offset):
    _put(tmp_path, "a.bin", _noise(offset) + DATA[301:428] + _noise(500, 1))
    (hit,) = _hits(tmp_path)
    assert (hit.kind, hit.num_windows) == ("left", 1)
    assert offset <= hit.offset <= offset + 63
    assert hit.where == f"a.bin at byte {hit.offset}"


@pytest.mark.parametrize(
    "path", [".partial/123/tmpabc", "a/b/c/d.json", "corpus.lock", "a/.lock", "LATEST", "x.parquet"]
)
def test_every_file_is_read(tmp_path, path):
    _put(tmp_path, path, _noise(99) + DATA[:200])
    assert _found(tmp_path) == [(path, "left")]


def test_only_the_lock_is_skipped(tmp_path):
    _put(tmp_path, ".lock", DATA)
    assert _hits(tmp_path) == []


def test_links_are_followed_and_loops_end(tmp_path):
    _put(tmp_path, "elsewhere/a.bin", DATA)
    (tmp_path / "corpus/deep").mkdir(parents=True)
    (tmp_path / "corpus/shards").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "corpus/one.bin").symlink_to(tmp_path / "elsewhere/a.bin")
    (tmp_path / "corpus/deep/up").symlink_to(tmp_path / "corpus")
    (tmp_path / "corpus/broken").symlink_to(tmp_path / "nothing")
    assert _found(tmp_path / "corpus") == [("one.bin", "left"), ("shards/a.bin", "left")]


def test_an_object_store_is_read(tmp_path):
    store = Store("memory://takedown-scan")
    for path in ("a.bin", "packs/deep/b.bin"):
        store.write_bytes(path, _noise(7) + DATA[:500])
    assert _found(store.root) == [("a.bin", "left"), ("packs/deep/b.bin", "left")]


@pytest.mark.parametrize("cut", [1, 62, 63, 64, 65, 126])
def test_a_run_across_the_border_of_blocks_is_found_once(tmp_path, monkeypatch, cut):
    monkeypatch.setattr(contents, "BLOCK_BYTES", 1024)
    _put(tmp_path, "a.bin", _noise(2048 - cut) + DATA[64:191] + _noise(1500, 1))
    (hit,) = _hits(tmp_path)
    assert hit.num_windows == 1


def test_what_was_read_is_counted_and_told(tmp_path):
    _put(tmp_path, "a.bin", _noise(1000))
    _put(tmp_path, "b/c.bin", b"")
    told = []
    search = Scan(
        store=Store(str(tmp_path)),
        matcher=Matcher(fingerprints(VICTIM, KEY), KEY),
        is_kept=set().__contains__,
        is_kept_key=set().__contains__,
        progress=lambda path, size: told.append((path, size)),
    )
    assert list(search.hits()) == []
    assert (search.num_files, search.num_bytes, told) == (2, 1000, [("a.bin", 1000)])


def test_a_thousand_random_runs_are_all_found(tmp_path):
    draw = random.Random(7)
    for number in range(1000):
        size = draw.randint(127, 2000)
        start = draw.randint(0, len(DATA) - 2 - size)
        _put(tmp_path, f"{number}.bin", draw.randbytes(draw.randint(0, 200)) + DATA[start : start + size])
    assert len({path for path, kind in _found(tmp_path) if kind == "left"}) == 1000


def test_a_whole_kept_picture_in_a_tar_is_shared_and_a_cut_copy_is_left(tmp_path):
    victim, other = _a_twin()
    _put(tmp_path, "packs/a.tar", _tar(other_jpg=other, text_txt=b"x"))
    _put(tmp_path, "packs/b.tar", _tar(cut_jpg=victim[:3000], other_jpg=other))
    _put(tmp_path, "packs/c.tar", _tar(cut_jpg=other[:3000]))
    hits = _hits(tmp_path, victim, kept=[other])
    assert [(hit.path[6], hit.inside, hit.kind) for hit in hits] == [
        ("a", "other.jpg", "shared"),
        ("b", "cut.jpg", "left"),
        ("b", "other.jpg", "shared"),
        ("c", "cut.jpg", "left"),
    ]
    assert {kind for _, kind in _found(tmp_path, victim)} == {"left"}, "nothing is shared with what is not kept"


def test_what_lies_between_members_or_in_a_cut_tar_is_left(tmp_path):
    victim, other = _a_twin()
    whole = bytearray(_tar(a_jpg=b"", b_jpg=other))
    whole[-200:] = DATA[:200]
    _put(tmp_path, "a.tar", bytes(whole))
    _put(tmp_path, "b.tar", _tar(b_jpg=other)[:-11_000])
    assert _found(tmp_path, victim, kept=[other]) == [("a.tar", "shared"), ("a.tar", "left"), ("b.tar", "left")]


def test_a_loose_picture_is_told_from_the_same_with_a_byte_more(tmp_path):
    victim, other = _a_twin()
    _put(tmp_path, "a.jpg", other)
    _put(tmp_path, "b.jpg", other + b"x")
    assert _found(tmp_path, victim, kept=[other]) == [("a.jpg", "shared"), ("b.jpg", "left")]


def _table(**columns):
    return pa.table({name: pa.array(values) for name, values in columns.items()})


@pytest.mark.parametrize("codec", ["zstd", "gzip", "snappy", "none"])
def test_a_cell_of_parquet_is_found_with_its_column_and_row(tmp_path, codec):
    text = base64.b64encode(_noise(200)).decode()
    cells = [_noise(300), None, DATA[100:227], b"", _noise(100)]
    sink = io.BytesIO()
    pq.write_table(_table(sha256=[text] * 5, jpeg=cells), sink, compression=codec, row_group_size=2)
    _put(tmp_path, "f.parquet", sink.getvalue())
    cell = next(hit for hit in _hits(tmp_path) if hit.column)
    assert (cell.column, cell.row, cell.num_windows, cell.kind) == ("jpeg", 2, 1, "left")
    assert cell.where == "f.parquet, column jpeg, row 2"


def test_what_compression_hides_from_the_bytes_is_found_in_the_cells(tmp_path):
    victim = base64.b85encode(DATA[:400])
    table = _table(text=[victim.decode()[7:]] * 9)
    pq.write_table(table, tmp_path / "f.parquet", compression="zstd", write_statistics=False)
    assert [(hit.column, hit.row) for hit in _hits(tmp_path, victim)] == [("text", row) for row in range(9)]


def test_a_value_that_only_a_dictionary_holds_is_found(tmp_path):
    victim = base64.b85encode(DATA[:400])
    words = _table(text=[b"kept", victim, b"kept"]).column("text").combine_chunks().dictionary_encode()
    for name, column in (("a", words), ("b", words.filter(pa.array([True, False, True])))):
        pq.write_table(pa.table({"text": column}), tmp_path / f"{name}.parquet", compression="zstd")
    hits = {hit.path: hit for hit in _hits(tmp_path, victim) if hit.column}
    assert {path: hit.row for path, hit in hits.items()} == {"a.parquet": 1, "b.parquet": None}
    assert hits["b.parquet"].where == "b.parquet, column text, in no row, but in its dictionary"


def test_cells_in_lists_structs_and_of_fixed_size_are_found(tmp_path):
    table = pa.table(
        {
            "lists": pa.array([[b"a"], [b"b", DATA[:200]], []], pa.list_(pa.binary())),
            "structs": pa.array([{"x": None}, {"x": b""}, {"x": DATA[:200]}], pa.struct([("x", pa.binary())])),
            "fixed": pa.array([_noise(128), DATA[:128], None], pa.binary(128)),
            "large": pa.array([DATA[:128], b"", None], pa.large_binary()),
            "words": pa.array([b"", b"", DATA[:128]]).dictionary_encode(),
            "maps": pa.array([[("k", DATA[:128])], [], None], pa.map_(pa.string(), pa.binary())),
        }
    )
    pq.write_table(table, tmp_path / "f.parquet", compression="zstd")
    cells = [(hit.column, hit.row) for hit in _hits(tmp_path) if hit.column]
    assert cells == [("lists", 1), ("structs.x", 2), ("fixed", 1), ("large", 0), ("words", 2), ("maps.value", 0)]


def test_rows_are_not_bridged(tmp_path):
    start = -(-len(DATA) // 2) // 64 * 64
    halves = [DATA[start : start + 40], DATA[start + 40 : start + 120]]
    pq.write_table(_table(jpeg=halves), tmp_path / "f.parquet", compression="zstd")
    assert [hit for hit in _hits(tmp_path) if hit.column] == []


def test_a_cell_of_a_kept_key_is_shared_and_so_are_the_bytes_that_encode_it(tmp_path):
    victim, other = _a_twin()
    for name, column in (("a", "sha256"), ("b", "key"), ("c", "unnamed")):
        _put(tmp_path, f"{name}.parquet", parquet_bytes(_table(**{column: ["ab", "cd"], "jpeg": [other, _noise(9)]})))
    assert {(path[0], kind) for path, kind in _found(tmp_path, victim, kept_keys=["ab"])} == {
        ("a", "shared"),
        ("b", "shared"),
        ("c", "left"),
    }


def test_a_victim_beside_a_picture_that_shares_its_start_is_left(tmp_path):
    victim, other = _a_twin()
    _put(tmp_path, "f.parquet", parquet_bytes(_table(sha256=["kept", "gone"], jpeg=[other, victim])))
    cells = [(hit.row, hit.kind) for hit in _hits(tmp_path, victim, kept_keys=["kept"]) if hit.column]
    assert cells == [(0, "shared"), (1, "left")]
    assert ("f.parquet", "left") in [(h.path, h.kind) for h in _hits(tmp_path, victim, kept_keys=["kept"]) if h.offset]


@pytest.mark.parametrize("path", ["a.parquet", ".partial/1/tmp"])
def test_a_parquet_file_that_cannot_be_read_is_told(tmp_path, path):
    whole = parquet_bytes(_table(jpeg=[_noise(3000), DATA[:2000]]))
    _put(tmp_path, path, whole[:-1000])
    assert (path, "unread") in _found(tmp_path)


def _page(data, before=""):
    return f'<!doctype html>\n<p>{before}<img src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'.encode()


@pytest.mark.parametrize("before", ["", "a", "ab", "word " * 99])
def test_a_picture_in_a_page_is_found(tmp_path, before):
    _put(tmp_path, "credits.html", _page(VICTIM, before))
    (hit,) = _hits(tmp_path)
    assert (hit.inside, hit.kind, hit.num_windows) == ("base64", "left", len(fingerprints(VICTIM, KEY)))
    assert (tmp_path / "credits.html").read_bytes()[hit.offset :].startswith(b"/9j/")


@pytest.mark.parametrize("start", range(4))
def test_base64_that_was_cut_anywhere_is_found_in_any_text(tmp_path, start):
    text = base64.b64encode(DATA)[400 + start : 400 + start + 176]
    _put(tmp_path, ".partial/1/tmpx", b"<p>" + text + b"<p>")
    assert _found(tmp_path) == [(".partial/1/tmpx", "left")]


@pytest.mark.parametrize("at", [0, 1, 900, 1023, 1500])
def test_base64_across_the_border_of_blocks_is_found(tmp_path, monkeypatch, at):
    monkeypatch.setattr(contents, "BLOCK_BYTES", 1024)
    victim, other = _a_twin()
    _put(tmp_path, "a.html", b"-" * at + _page(other[:700]))
    assert _found(tmp_path, other[:700], kept=[other[:700]]) == [("a.html", "shared")]
    _put(tmp_path, "a.html", b"-" * at + _page(victim))
    assert set(_found(tmp_path, victim)) == {("a.html", "left")}


def test_a_data_url_of_a_kept_picture_or_thumbnail_is_shared(tmp_path):
    victim, other = _a_twin()
    _put(tmp_path, "a.html", _page(other))
    _put(tmp_path, "b.html", _page(other[:-40]))
    assert _found(tmp_path, victim, kept=[other]) == [("a.html", "shared"), ("b.html", "left")]
    _put(tmp_path, "facts/f.parquet", parquet_bytes(_table(sha256=["kept"], jpeg=[other])))
    kinds = set(_found(tmp_path, victim, kept_keys=["kept"]))
    assert kinds == {("facts/f.parquet", "shared"), ("a.html", "shared"), ("b.html", "left")}


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(_noise(50) + DATA[:3000]),
        _noise(1000) + gzip.compress(DATA[:127] * 2),
        gzip.compress(_noise(500)) + gzip.compress(DATA),
        gzip.compress(DATA)[:5000],
        gzip.compress(DATA)[:-8] + bytes(8),
        gzip.compress(_page(DATA)),
        zlib.compress(DATA),
    ],
    ids="whole inside second cut damaged page zlib".split(),
)
def test_what_was_deflated_is_found(tmp_path, data):
    _put(tmp_path, "a.bin", data)
    hits = [hit for hit in _hits(tmp_path) if hit.inside]
    assert hits
    assert {(hit.inside, hit.kind) for hit in hits} <= {("gzip", "left"), ("zlib", "left")}


def test_unrelated_pictures_raise_no_alarm(tmp_path):
    """Of 600 real pictures 200 are removed. Those that draw alike share runs with them; nothing else is found."""
    paths = sorted(SAMPLES.glob("drawings/*.png"))[::7] + sorted(SAMPLES.glob("photographs/*.jpg"))[:200]
    pictures = sorted({_stored(path) for path in paths})
    victims = random.Random(3).sample(pictures, 200)
    others = sorted(set(pictures) - set(victims))
    with open(tmp_path / "pack.tar", "wb") as file:
        write_tar(file, ((f"{number}.jpg", data) for number, data in enumerate(others)))
    hits = _hits(tmp_path, *victims, kept=others)
    assert {hit.kind for hit in hits} == {"shared"}
    assert len(hits) < len(others) / 3
    assert all(fingerprints(data, KEY).size for data in pictures), "each picture can be searched for"


def _stored(path):
    with Image.open(path) as image:
        rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    white.thumbnail((256, 256))
    return encoded(white.convert("RGB"), quality=95)
