"""A redirect leads nowhere that a record's own URL may not: before it is followed, and after it was."""

import pytest

from byline.catalog.corpora.packs import read_index
from byline.catalog.denylists.denylist import Entry
from byline.catalog.denylists.lists import add_entries
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from tests.builders import a_picture, a_server, a_yfcc_line, encoded, write_corpus
from tests.pipelines.rights.takedown.corpora import latest, shipped, take_down

pytestmark = pytest.mark.beam


def a_lead(location):
    return (302, "text/html", b"", [("Location", location)])


def lines(base):
    names = ("direct.jpg", "theirs/a.jpg", "lead", "far-lead", "other.jpg")
    return [a_yfcc_line(str(number), f"{base}/{name}") for number, name in enumerate(names)]


@pytest.fixture
def web():
    answers = {
        "/direct.jpg": (200, "image/jpeg", encoded(a_picture(0))),
        "/theirs/a.jpg": (200, "image/jpeg", encoded(a_picture(1))),
        "/theirs/b%7e.jpg": (200, "image/jpeg", encoded(a_picture(2))),
        "/lead": a_lead("/x/%2e%2e/theirs/b%7e.jpg"),
        "/theirs/%63.jpg": (200, "image/jpeg", encoded(a_picture(3))),
        "/far-lead": a_lead("/theirs/%63.jpg"),
        "/other.jpg": (200, "image/jpeg", encoded(a_picture(4))),
    }
    with a_server(answers) as (base, asked):
        yield base, asked


def reasons(release, store):
    names = [name for name in release.manifest.papers if name.startswith("verdicts/")]
    rows = [row for name in names for row in store.read_table(f"{release.path}/{name}").to_pylist()]
    return {row["record_id"]: row["reasons"] for row in rows}


@pytest.mark.slow
def test_what_was_taken_down_is_not_asked_through_a_redirect(web, tmp_path):
    base, asked = web
    store = Store(str(tmp_path / "corpus"))
    build(str(write_corpus(tmp_path, lines(base)[:2])), workers=1)
    add_entries(store, [Entry(kind="url", value=f"{base}/theirs/{name}") for name in ("b~.jpg", "c.jpg#shown")])
    asked.clear()
    release = build(str(write_corpus(tmp_path, lines(base))), workers=1)
    assert sorted(asked) == ["/far-lead", "/lead", "/other.jpg"]
    assert shipped(release) == {"test:0", "test:1", "test:4"}
    found = reasons(release, store)
    assert found["test:2"] == found["test:3"] == ["fetch:denied"]
    rows = {row["record_id"]: row for row in read_index(store, "test-00000").to_pylist()}
    assert {(row["outcome"], row["sha256"], row["final_url"]) for row in (rows["test:2"], rows["test:3"])} == {
        ("denied", None, None)
    }


@pytest.mark.slow
def test_a_takedown_by_the_url_that_a_browser_shows_takes_what_led_there(web, tmp_path):
    base, asked = web
    config = write_corpus(tmp_path, lines(base))
    store = Store(str(tmp_path / "corpus"))
    assert shipped(build(str(config), workers=1)) == {f"test:{number}" for number in range(5)}
    take_down(store, urls=(f"{base}/x/../theirs/b~.jpg#top", f"{base}/theirs/./c.jpg"))
    assert shipped(latest(store)) == {"test:0", "test:1", "test:4"}
    asked.clear()
    assert shipped(build(str(config), workers=1)) == {"test:0", "test:1", "test:4"}
    assert asked == []


def test_where_a_picture_led_counts_for_a_list_that_came_later(web, tmp_path):
    base, _ = web
    config = write_corpus(tmp_path, lines(base))
    store = Store(str(tmp_path / "corpus"))
    build(str(config), workers=1)
    add_entries(store, [Entry(kind="url", value=f"{base}/theirs/b~.jpg")])
    release = build(str(config), workers=1)
    assert shipped(release) == {"test:0", "test:1", "test:3", "test:4"}
    assert reasons(release, store)["test:2"] == ["denied:taken-down"]
