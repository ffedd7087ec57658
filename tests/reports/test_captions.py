"""The page of captions: what it counts, what it shows, and that nothing a source said can run."""

import subprocess
import sys

import pytest
from bs4 import BeautifulSoup

from byline.catalog.corpora.manifest import Release
from byline.pipelines.beam.build import build
from byline.pipelines.releases.exporting.export import export
from byline.reports.captions import collect_captions
from byline.reports.captions_page import captions_page
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus

pytestmark = pytest.mark.beam
TITLES = ["a red car stock photo", "two boats", "two boats", 'x" onload="alert(1)', "see www.example.org"]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    lines = []
    for number, title in enumerate(TITLES):
        (folder / "pictures").mkdir(exist_ok=True)
        (folder / f"pictures/{number}.jpg").write_bytes(encoded(a_picture(number)))
        lines.append(a_yfcc_line(str(number), f"https://pictures.example/{number}.jpg", title=title))
    return build(str(write_corpus(folder, lines)), workers=1)


@pytest.mark.parametrize("format", ["corpus", "webdataset", "parquet"])
def test_all_captions_are_counted_wherever_the_release_lies(release, tmp_path, format):
    if format != "corpus":
        export(release, str(tmp_path / "export"), format=format)
        release = Release(str(tmp_path / "export"))
    ((name, found),) = collect_captions(release, limit=3).by_captioner.items()
    assert name.startswith("source-text")
    assert (found.num_captions, len(found.captions), found.num_shared, found.num_empty) == (5, 4, 2, 0)
    assert found.words["two"] == found.captions["two boats"] == 2
    assert dict(found.flags) == {"mark": 1, "url": 1}
    assert found.lengths == {2: 2, 4: 2, 5: 1}


def test_the_page_shows_pictures_with_captions_and_flags_and_runs_nothing_of_a_source(release):
    page = captions_page(release, collect_captions(release, limit=4))
    assert page == captions_page(release, collect_captions(release, limit=4))
    assert b'" onload="' not in page
    soup = BeautifulSoup(page, "html.parser")
    cards = soup.select(".pictures > li")
    assert len(cards) == 4
    assert all(card.select_one("img")["src"].startswith("data:image/jpeg;base64,") for card in cards)
    assert "1 more pictures are left out" in soup.text
    by_caption = {card.select_one(".caption .said").text: card["data-flags"] for card in cards}
    assert all(flags == {TITLES[0]: "mark", TITLES[4]: "url"}.get(text, "") for text, flags in by_caption.items())
    assert set(by_caption) <= set(TITLES)


@pytest.mark.slow
def test_the_verb_writes_it_and_a_takedown_will_know(release, tmp_path):
    url = f"{release.store.root}/{release.path}"
    command = [sys.executable, "-P", "-m", "byline.cli.main", "captions", url, "--out", str(tmp_path / "c.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "5 of 5 pictures, by 1 captioner" in done.stdout
    assert any(b"byline captions" in path.read_bytes() for path in release.store.local_path("written").iterdir())
    missing = subprocess.run([*command[:5], "nowhere/releases/x"], capture_output=True, text=True, check=False)
    assert (missing.returncode, len(missing.stderr.splitlines())) == (2, 1)
