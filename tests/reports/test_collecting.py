"""What the report shows of a release is read from facts; no stored picture is opened."""

import base64
from dataclasses import asdict, replace
from io import BytesIO

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from byline.catalog.corpora.packs import read_images, read_index
from byline.evaluation.report import Report
from byline.pipelines.beam.build import build
from byline.reports.collecting import ATLAS_COLUMNS, THUMBNAIL_PX, _row, collect
from byline.reports.page import page
from tests.builders import a_corpus

pytestmark = pytest.mark.beam


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return build(str(a_corpus(tmp_path_factory.mktemp("report"), num_pictures=5, num_packs=2)), workers=1)


def _cell(atlas, cell):
    line, column = divmod(cell, ATLAS_COLUMNS)
    left, top = column * THUMBNAIL_PX, line * THUMBNAIL_PX
    return atlas.crop((left, top, left + THUMBNAIL_PX, top + THUMBNAIL_PX))


def _atlas(data):
    return Image.open(BytesIO(base64.b64decode(data.atlas.partition(",")[2])))


@pytest.mark.slow
def test_every_cell_shows_its_picture_in_the_middle(release):
    data = collect(release)
    atlas = _atlas(data)
    assert atlas.size == (ATLAS_COLUMNS * THUMBNAIL_PX, THUMBNAIL_PX)
    rows = {row["sha256"]: row for row in data.rows}
    for pack in ("test-00000", "test-00001"):
        for sha256, stored in read_images(release.store, read_index(release.store, pack), only=list(rows)):
            expected = Image.new("RGB", (THUMBNAIL_PX, THUMBNAIL_PX), "white")
            picture = Image.open(BytesIO(stored))
            picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
            expected.paste(picture, (0, (THUMBNAIL_PX - picture.height) // 2))
            shown = _cell(atlas, rows.pop(sha256)["cell"])
            assert np.abs(np.asarray(shown, int) - np.asarray(expected, int)).mean() < 8  # of another picture: over 40
    assert not rows


def test_no_pack_is_opened(release, tmp_path):
    packs = release.store.local_path("packs")
    away = packs.rename(tmp_path / "away")
    try:
        assert len(collect(release).rows) == 5
    finally:
        away.rename(packs)


def test_a_picture_without_a_thumbnail_has_no_cell(release, tmp_path):
    folder = release.store.local_path("facts/thumbnails")
    away = folder.rename(tmp_path / "away")
    try:
        data = collect(release)
    finally:
        away.rename(folder)
    assert {row["cell"] for row in data.rows} == {None}
    assert _atlas(data).size == (ATLAS_COLUMNS * THUMBNAIL_PX, THUMBNAIL_PX)


def test_copies_are_shown_nearest_first_and_each_says_how_near_it_is(release):
    data = collect(release)
    keeper, *others = data.rows[:4]
    found = ({"cosine": 0.91, "distance": "cosine 0.91"}, {"distance_bits": 9, "distance": "9 bits, turned"}, {})
    copies = [{**row, "keeper_record_id": keeper["record_id"], **one} for row, one in zip(others, found, strict=True)]
    text = page(release, replace(data, rows=[keeper, *copies]), None, "shown")
    clusters = text[text.index('class="clusters"') : text.index('id="gallery"')]
    assert 0 < clusters.index("9 bits, turned") < clusters.index("cosine 0.91")


def test_what_a_source_said_cannot_turn_the_text_or_move_a_cursor():
    said = "a\u202e\x1b[31m\nb"
    verdict = {
        **dict.fromkeys(("record_id", "outcome", "sha256", "split", "keeper_record_id", "keeper_sha256")),
        **{"admitted": False, "reasons": [], "license": "CC0-1.0", "license_seen": said},
    }
    record = {"title": said, "creator": said, "landing_url": "javascript:alert(1)", "url": ""}
    row = _row(verdict, record, said)
    assert not [char for text in row.values() if isinstance(text, str) for char in text if char in "\u202e\x1b\n"]
    assert row["source_url"] is None


def test_what_was_measured_of_a_model_stands_on_the_page(release):
    words = {"claim": "kid: far <off>", "command": "byline evaluate", "digests": {"checkpoint": "f" * 64}}
    report = asdict(Report(value=0.1234, interval=(0.1, 0.2), n=1350, seed=0, **words))
    model = {
        **{"digest": "f" * 64, "images_seen": 10, "per_prompt": 4, "seed": 0, "sampler": "dpm++", "steps": 25},
        **{"guidance": 4.0, "prompts": [], "num_samples": 0, "num_copies": 0, "minutes": "1.0", "images_per_s": None},
        **{"curve": None, "reports": [report]},
    }
    found = BeautifulSoup(page(release, collect(release), model, "shown"), "html.parser")
    (heading,) = [one for one in found.find_all("h2") if one.string == "How good it is"]
    _, row = heading.find_next("table").find_all("tr")
    assert [cell.string for cell in row.find_all("td")] == ["kid: far <off>", "0.1234", "[0.1000, 0.2000]", "1,350"]
