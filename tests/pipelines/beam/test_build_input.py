"""What bad and odd input makes of a build: a row with an outcome, or one clear line."""

import numpy as np
import pytest
from PIL import Image

from byline.catalog.corpora.packs import read_index
from byline.catalog.errors import ConfigError, CorpusError, SourceError
from byline.pipelines.beam.build import build
from byline.pipelines.facts.measures import caption_facts
from byline.pipelines.releases.verify import verify
from tests.builders import (
    a_corpus,
    a_picture,
    a_server,
    a_yfcc_line,
    encoded,
    write_corpus,
)
from tests.pipelines.releases.released import captions_of, verdicts_of

pytestmark = pytest.mark.beam
BAD_ELEMENTS = {
    "/good": (200, "image/jpeg", encoded(a_picture(1))),
    "/lies": (200, "image/jpeg", b"<html>not a picture</html>"),
    "/truncated": (200, "image/jpeg", encoded(a_picture(2))[:900]),
    "/one-pixel": (200, "image/png", encoded(a_picture(3, size=(1, 1)), "PNG")),
    "/wide": (200, "image/png", encoded(a_picture(4, size=(20_000, 40)), "PNG")),
}
ROTATED = Image.Exif()
ROTATED[0x0112] = 6
FRAMES = [a_picture(seed).convert("P") for seed in (24, 25)]
ODD_ELEMENTS = {
    "/cmyk": encoded(a_picture(20).convert("CMYK")),
    "/sixteen-bit": encoded(Image.fromarray(np.asarray(a_picture(21).convert("L"), np.uint16) * 257), "PNG"),
    "/transparent": encoded(a_picture(22).convert("RGBA").rotate(30), "PNG"),
    "/rotated": encoded(a_picture(23), exif=ROTATED),
    "/animated": encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
}


def test_an_odd_picture_is_a_picture(tmp_path):
    with a_server({path: (200, "image/jpeg", data) for path, data in ODD_ELEMENTS.items()}) as (base, _):
        lines = [a_yfcc_line(path[1:], base + path) for path in ODD_ELEMENTS]
        release = build(str(write_corpus(tmp_path, lines)), workers=1)
    assert release.manifest.counts["admitted"] == len(ODD_ELEMENTS)
    sizes = {
        row["record_id"]: (row["width"], row["height"]) for row in read_index(release.store, "test-00000").to_pylist()
    }
    assert sizes["test:rotated"] == (64, 96)


@pytest.mark.slow
def test_a_bad_element_becomes_a_row_with_an_outcome(tmp_path):
    with a_server(BAD_ELEMENTS) as (base, _):
        lines = [a_yfcc_line(path[1:], base + path) for path in (*BAD_ELEMENTS, "/gone", "/hangs", "/cut-off")]
        lines += [
            a_yfcc_line("no-license", f"{base}/good", licensename="", licenseurl=""),
            a_yfcc_line("no-creator", f"{base}/good", unickname=""),
            a_yfcc_line("file-url", "file:///etc/passwd"),
            a_yfcc_line("controls", f"{base}/good", title="a%00b%0Ac%1B[31m"),
            a_yfcc_line("long", f"{base}/good", title="word+" * 2000),
            "three\tbad\tcolumns",
        ]
        release = build(str(write_corpus(tmp_path, lines)), workers=1)
    assert {key.removeprefix("test:"): list(row["reasons"]) for key, row in verdicts_of(release).items()} == {
        "good": ["duplicate:same-bytes"],
        "lies": ["fetch:not-an-image"],
        "truncated": ["fetch:damaged"],
        "one-pixel": ["image:too-small", "image:empty"],
        "wide": ["image:too-long"],
        "gone": ["fetch:http-error"],
        "hangs": ["fetch:timeout"],
        "cut-off": ["fetch:unreachable"],
        "no-license": ["license:LicenseRef-missing"],
        "no-creator": ["creator:missing"],
        "file-url": ["source:missing"],
        "controls": [],
        "long": ["duplicate:same-bytes"],
    }
    assert captions_of(release) == {"test:controls": "a b c [31m"}
    facts = caption_facts(release.store, release.manifest.instruments["captions"]).read("test-00000")
    longest = max(facts["text"].to_pylist(), key=len)
    assert longest.startswith("word word")
    assert len(longest) <= 300
    assert list(verify(release)) == []
    (unreadable,) = (n for n in release.store.files("records/test") if "unreadable" in n)
    assert release.store.read_table(f"records/test/{unreadable}")["place"].to_pylist() == ["line 14"]


@pytest.mark.slow
@pytest.mark.parametrize("lines", [[], [a_yfcc_line("1", "http://127.0.0.1:9/a", licenseurl="", licensename="")]])
def test_an_empty_release_is_an_error_that_says_why(tmp_path, lines):
    with pytest.raises(CorpusError, match="would be empty: .*(the sources are empty|LicenseRef-missing \\(1\\))"):
        build(str(write_corpus(tmp_path, lines)), workers=1)


def test_a_missing_source_file_stops_the_build(tmp_path):
    config = a_corpus(tmp_path, num_pictures=1)
    (tmp_path / "metadata.tsv").unlink()
    with pytest.raises(SourceError, match="no source file at"):
        build(str(config), workers=1)


@pytest.mark.slow
def test_an_error_in_a_worker_process_is_one_line_too(tmp_path):
    config = a_corpus(tmp_path, num_pictures=1)
    (tmp_path / "metadata.tsv").unlink()
    with pytest.raises(SourceError) as caught:
        build(str(config), workers=2)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_is_told_with_the_known_ones(tmp_path):
    config = a_corpus(tmp_path, num_pictures=1)
    config.write_text(config.read_text() + "\n[pixels]\nimagesize = 64\n")
    with pytest.raises(ConfigError, match=r"unknown key 'imagesize' in \[pixels\]; known keys: decoding, downscale_"):
        build(str(config), workers=1)


def test_pixel_settings_cannot_change_under_a_corpus(tmp_path):
    config = a_corpus(tmp_path, num_pictures=2)
    build(str(config), workers=1)
    config.write_text(config.read_text() + "\n[pixels]\nimage_size = 64\n")
    with pytest.raises(ConfigError, match=r"\[pixels\] differs from .*; name a new root"):
        build(str(config), workers=1)


def test_a_source_of_which_no_row_can_be_read_says_how_many_and_shows_the_first(tmp_path):
    good = a_yfcc_line("1", "http://127.0.0.1:9/a")
    config = write_corpus(tmp_path, [good + "\tx", a_yfcc_line("", "http://127.0.0.1:9/a"), good + "\tx"])
    told = r"no row became a record: source test: 3 unreadable, listed in .*parquet; first line 1: 24 columns"
    with pytest.raises(CorpusError, match=told):
        build(str(config), workers=1)
    with pytest.raises(CorpusError, match=told):
        build(str(config), workers=1)
