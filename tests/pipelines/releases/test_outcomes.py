"""What a build counts at its end: every outcome, by source."""

import json

import pytest
from PIL import ImageCms
from typer.testing import CliRunner

from byline.cli.main import app
from byline.pipelines.beam.build import build, last_record
from byline.pipelines.releases.outcomes import outcomes_of
from tests.builders import a_picture, a_server, a_yfcc_line, encoded, write_corpus

pytestmark = pytest.mark.beam
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
WANTED = {
    "test": {
        "fetched": 2,
        "http-error": 1,
        "left out: video": 1,
        "not asked for": 1,
        "not-an-image": 1,
        "server-error": 1,
        "unreadable": 2,
    }
}


def _lines(base):
    """Return rows of every kind: fetched, gone, busy, no picture, refused, a video, an id again, and no row at all."""
    lines = [a_yfcc_line(name, f"{base}/{name}.jpg") for name in ("1", "2", "3", "4", "5")]
    refused = a_yfcc_line("6", f"{base}/6.jpg", licensename="All rights reserved", licenseurl="")
    return [*lines, refused, a_yfcc_line("7", f"{base}/7.mp4", marker="1"), lines[0], "three\tcolumns\tonly"]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Return the config of a corpus, and what its first build said."""
    pictures = {"/1.jpg": a_picture(1), "/2.jpg": a_picture(2)}
    answers = {name: (200, "image/jpeg", encoded(one, icc_profile=LAB)) for name, one in pictures.items()}
    answers |= {"/4.jpg": (503, "text/html", b"busy"), "/5.jpg": (200, "image/jpeg", b"<html>")}
    with a_server(answers) as (base, _):
        config = write_corpus(tmp_path_factory.mktemp("outcomes"), _lines(base), num_packs=2)
        result = CliRunner().invoke(app, ["build", str(config), "--workers", "1"])
        yield config, result


def test_a_build_ends_with_a_count_of_every_outcome(printed):
    _, result = printed
    rows = [line.split() for line in result.stderr.splitlines() if line.strip().startswith("test ")]
    assert {" ".join(words[1:-1]): int(words[-1]) for words in rows} == WANTED["test"]


def test_what_was_odd_about_pictures_is_counted(printed):
    _, result = printed
    (line,) = [line.split() for line in result.stderr.splitlines() if line.strip().startswith("of new pictures")]
    assert line[3:] == ["color", "profile", "ignored", "2"]


def test_later_builds_count_the_same_one_that_has_nothing_to_do_too(printed):
    config, _ = printed
    releases = [build(str(config), workers=1) for _ in range(3)]  # what is busy is asked three times in all
    assert [outcomes_of(release) for release in releases] == [WANTED] * 3
    assert last_record(releases[-1].store)["done"]["requested"] == 0


def test_counts_are_kept_in_the_record_of_the_build(printed):
    config, _ = printed
    assert json.loads((config.parent / "corpus/builds/00000.json").read_text())["outcomes"] == WANTED
