"""What is left in text, as base64, and in what was deflated."""

import base64
import gzip
import zlib

import pyarrow as pa
import pytest

from byline.catalog.disk.storage import parquet_bytes
from byline.pipelines.rights.takedown import contents
from byline.pipelines.rights.takedown.scan import fingerprints
from tests.pipelines.rights.takedown.leftovers import DATA, KEY, VICTIM, a_twin, found_in, hits_in, noise, put


def _table(**columns):
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _page(data, before=""):
    return f'<!doctype html>\n<p>{before}<img src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'.encode()


@pytest.mark.parametrize("before", ["", "a", "ab", "word " * 99])
def test_a_picture_in_a_page_is_found(tmp_path, before):
    put(tmp_path, "credits.html", _page(VICTIM, before))
    (hit,) = hits_in(tmp_path)
    assert (hit.inside, hit.kind, hit.num_windows) == ("base64", "left", len(fingerprints(VICTIM, KEY)))
    assert (tmp_path / "credits.html").read_bytes()[hit.offset :].startswith(b"/9j/")


@pytest.mark.parametrize("start", range(4))
def test_base64_that_was_cut_anywhere_is_found_in_any_text(tmp_path, start):
    text = base64.b64encode(DATA)[400 + start : 400 + start + 176]
    put(tmp_path, ".partial/1/tmpx", b"<p>" + text + b"<p>")
    assert found_in(tmp_path) == [(".partial/1/tmpx", "left")]


@pytest.mark.parametrize("at", [0, 1, 900, 1023, 1500])
def test_base64_across_the_border_of_blocks_is_found(tmp_path, monkeypatch, at):
    monkeypatch.setattr(contents, "BLOCK_BYTES", 1024)
    victim, other = a_twin()
    put(tmp_path, "a.html", b"-" * at + _page(other[:700]))
    assert found_in(tmp_path, other[:700], kept=[other[:700]]) == [("a.html", "shared")]
    put(tmp_path, "a.html", b"-" * at + _page(victim))
    assert set(found_in(tmp_path, victim)) == {("a.html", "left")}


def test_a_data_url_of_a_kept_picture_or_thumbnail_is_shared(tmp_path):
    victim, other = a_twin()
    put(tmp_path, "a.html", _page(other))
    put(tmp_path, "b.html", _page(other[:-40]))
    assert found_in(tmp_path, victim, kept=[other]) == [("a.html", "shared"), ("b.html", "left")]
    put(tmp_path, "facts/f.parquet", parquet_bytes(_table(sha256=["kept"], jpeg=[other])))
    kinds = set(found_in(tmp_path, victim, kept_keys=["kept"]))
    assert kinds == {("facts/f.parquet", "shared"), ("a.html", "shared"), ("b.html", "left")}


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(noise(50) + DATA[:3000], mtime=0),
        noise(1000) + gzip.compress(DATA[:127] * 2, mtime=0),
        gzip.compress(noise(500), mtime=0) + gzip.compress(DATA, mtime=0),
        gzip.compress(DATA, mtime=0)[:5000],
        gzip.compress(DATA, mtime=0)[:-8] + bytes(8),
        gzip.compress(_page(DATA), mtime=0),
        zlib.compress(DATA),
    ],
    ids="whole inside second cut damaged page zlib".split(),
)
def test_what_was_deflated_is_found(tmp_path, data):
    put(tmp_path, "a.bin", data)
    hits = [hit for hit in hits_in(tmp_path) if hit.inside]
    assert hits
    assert {(hit.inside, hit.kind) for hit in hits} <= {("gzip", "left"), ("zlib", "left")}
