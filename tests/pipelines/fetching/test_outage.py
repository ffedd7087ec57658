"""Servers that are down and come back: what is asked again, what is not, and what a kill in between changes."""

import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.packs import read_attempts, read_index
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError
from byline.catalog.progress import Meter
from byline.cli.main import app
from byline.pictures.config import PixelConfig
from byline.pipelines.beam.build import build, last_record
from byline.pipelines.beam.stages import fetch as stage
from byline.pipelines.beam.stages.fetch import fetch_pack
from byline.pipelines.facts.attempts import AskAgain, Asking
from byline.pipelines.fetching.index_rows import index_row
from byline.pipelines.fetching.journal import Journal
from byline.pipelines.fetching.transport import Answer
from byline.pipelines.releases.outcomes import outcomes_of
from tests.builders import a_fetch_config, a_picture, a_server, a_yfcc_line, encoded, write_corpus
from tests.pipelines.fetching.test_fetch import a_part

PATHS = [f"/{number}.jpg" for number in range(6)]
PICTURES = {path: (200, "image/jpeg", encoded(a_picture(number))) for number, path in enumerate(PATHS)}
SPACING_S = 1.0


class Corpus:
    """One pack, whose pictures lie on a server that may be down."""

    def __init__(self, folder, **config):
        self.store = Store(str(folder))
        with a_server({}) as (self.base, _):
            self.port = int(self.base.rsplit(":", 1)[1])
        self.part = a_part(self.store, [f"{self.base}{path}" for path in PATHS])
        self.config = a_fetch_config(ask_again_after_s=SPACING_S, **config)

    def fetch(self, again=None, *, later=timedelta(0)):
        """Fetch as a build does that begins so much later."""
        began = datetime.now(UTC) + later
        asking = Asking(began=began, spacing_s=self.config.ask_again_after_s, again=again)
        fetch_pack(self.part, self.store, PixelConfig(), self.config, (), Meter(), asking=asking)
        return [row["outcome"] for row in read_index(self.store, self.part.pack).to_pylist()]

    def up(self, answers=PICTURES):
        return a_server(dict(answers), self.port)


def test_an_outage_during_three_builds_loses_nothing(tmp_path):
    corpus = Corpus(tmp_path)
    corpus.config = a_fetch_config(ask_again_after_s=72_000.0)
    assert [corpus.fetch() for _ in range(3)] == [["unreachable"] * 6] * 3
    assert len(read_attempts(corpus.store, corpus.part.pack)) == 6  # two of the three builds asked for nothing
    with corpus.up() as (_, asked):
        assert corpus.fetch(later=timedelta(hours=21)) == ["fetched"] * 6
    assert sorted(asked) == PATHS


@pytest.mark.slow
def test_a_host_that_is_gone_for_good_ends_after_three_attempts(tmp_path):
    corpus = Corpus(tmp_path)
    corpus.config = a_fetch_config(ask_again_after_s=0.0)
    for _ in range(5):
        corpus.fetch()
    assert len(read_attempts(corpus.store, corpus.part.pack)) == 3 * 6
    with corpus.up() as (_, asked):
        assert corpus.fetch() == ["unreachable"] * 6
        assert asked == []
        again = AskAgain(outcomes=frozenset(["unreachable"]))
        assert corpus.fetch(again) == ["fetched"] * 6


@pytest.mark.slow
def test_a_host_that_has_enough_of_some_pictures_settles_no_other(tmp_path):
    """The first picture is answered 429 with a rest that we do not wait for: nothing else is sent, by three builds."""
    corpus = Corpus(tmp_path, per_host=1, max_wait_s=0.0)
    busy = {**PICTURES, PATHS[0]: (429, "text/html", b"", [("Retry-After", "2")])}
    with corpus.up(busy) as (_, asked):
        outcomes = [corpus.fetch() for _ in range(3)]
    assert outcomes == [["server-error"] * 6] * 3
    assert asked == PATHS[:1]
    attempts = read_attempts(corpus.store, corpus.part.pack).to_pylist()
    assert {row["was_sent"] for row in attempts if row["url"].endswith(PATHS[0])} == {True}
    assert {row["was_sent"] for row in attempts if not row["url"].endswith(PATHS[0])} == {False}
    time.sleep(2.5)
    with corpus.up() as (_, asked):
        assert corpus.fetch() == ["fetched"] * 6


@pytest.mark.slow
def test_a_robots_txt_that_is_busy_is_no_attempt_at_a_picture(tmp_path):
    corpus = Corpus(tmp_path)
    corpus.config = a_fetch_config(ask_again_after_s=0.0)
    with corpus.up({**PICTURES, "/robots.txt": (503, "text/html", b"")}):
        assert [corpus.fetch() for _ in range(4)] == [["server-error"] * 6] * 4
    time.sleep(1.5)  # the host rests a little after each
    with corpus.up():
        assert corpus.fetch() == ["fetched"] * 6


def test_a_disk_that_is_not_mounted_settles_nothing(tmp_path):
    store, disk = Store(str(tmp_path / "corpus")), tmp_path / "disk"
    part = a_part(store, ["https://pictures.example/1.jpg"])
    records = store.read_table(part.records_path)
    held = records.set_column(records.column_names.index("held"), "held", pa.array([str(disk / "1.jpg")]))
    store.write_table(part.records_path, held)

    def fetch():
        fetch_pack(part, store, PixelConfig(), a_fetch_config(), (), Meter())
        return read_index(store, part.pack)["outcome"].to_pylist()

    assert [fetch() for _ in range(4)] == [["unreachable"]] * 4
    disk.mkdir()
    (disk / "1.jpg").write_bytes(PICTURES[PATHS[1]][2])
    assert fetch() == ["fetched"]


def test_what_the_build_itself_serves_too_slowly_is_asked_for_by_the_next(tmp_path):
    store = Store(str(tmp_path))
    with a_server({}) as (base, asked):
        part = a_part(store, [f"{base}/hangs"])
        for _ in range(4):
            fetch_pack(part, store, PixelConfig(), a_fetch_config(timeout_s=1.5), (), Meter(), [base])
    assert read_attempts(store, part.pack)["outcome"].to_pylist() == ["timeout"] * 4
    assert len(asked) == 4


def test_whoever_goes_on_asks_for_what_was_to_be_asked_when_the_pack_was_begun(tmp_path):
    """A build is killed when half of a pack lies in a segment; when the next one goes on, the spacing has passed."""
    corpus = Corpus(tmp_path)
    began = datetime.now(UTC)
    assert corpus.fetch() == ["unreachable"] * 6
    journal = Journal(corpus.store, corpus.part.pack)
    journal.begin(began)  # as a process leaves it that is killed before its last segment
    row = {"record_id": "test:00000", "url": f"{corpus.base}{PATHS[0]}", "outcome": "timeout"}
    journal.add([(row, None, None)])
    time.sleep(SPACING_S)
    with corpus.up() as (_, asked):
        goes_on = Asking(began=began, spacing_s=SPACING_S)
        fetch_pack(corpus.part, corpus.store, PixelConfig(), corpus.config, (), Meter(), asking=goes_on)
        assert asked == []
        assert corpus.fetch() == ["fetched"] * 6
    assert corpus.store.files(f"fetching/{corpus.part.pack}") == []


@pytest.mark.parametrize(("owner", "name"), [(stage, "write_segment"), (Journal, "read")])
def test_a_pack_that_another_worker_finishes_meanwhile_is_fetched_once(tmp_path, monkeypatch, owner, name):
    """A runner may run a bundle twice at once: here the other one is whole just before this one writes."""
    corpus, does, others = Corpus(tmp_path), getattr(owner, name), []

    def after_another(*arguments, **options):
        if not others:
            others.append("begun")
            others.append(corpus.fetch())
        return does(*arguments, **options)

    monkeypatch.setattr(owner, name, after_another)
    with corpus.up():
        assert corpus.fetch() == others[1] == ["fetched"] * 6
    assert len(read_attempts(corpus.store, corpus.part.pack)) == 6
    assert corpus.store.files(f"fetching/{corpus.part.pack}") == []


def test_a_journal_that_is_damaged_while_it_is_written_is_told_and_nobody_is_asked_again(tmp_path, monkeypatch):
    corpus, add = Corpus(tmp_path), Journal.add

    def damaged(journal, rows):
        add(journal, rows)
        path = tmp_path / journal.folder / journal.names[-1]
        path.write_bytes(path.read_bytes()[:-50])

    monkeypatch.setattr(Journal, "add", damaged)
    with corpus.up() as (_, asked), pytest.raises(StorageError, match="is damaged"):
        corpus.fetch()
    assert sorted(asked) == PATHS


def test_what_a_killed_build_asked_again_is_kept_by_one_that_does_not_ask(tmp_path):
    corpus = Corpus(tmp_path)
    with corpus.up({}):
        assert corpus.fetch() == ["http-error"] * 6
    began = datetime.now(UTC)
    journal = Journal(corpus.store, corpus.part.pack)
    journal.begin(began)
    request = {"record_id": "test:00003", "url": f"{corpus.base}{PATHS[3]}"}
    journal.add([index_row(request, Answer(body=PICTURES[PATHS[3]][2]), PixelConfig())])
    assert corpus.fetch() == ["http-error"] * 3 + ["fetched"] + ["http-error"] * 2


def test_a_journal_whose_rows_are_in_segments_is_not_written_twice(tmp_path):
    """Journals did not always say when their pack was begun."""
    corpus = Corpus(tmp_path)
    with corpus.up():
        corpus.fetch()
    request = {"record_id": "test:00003", "url": f"{corpus.base}{PATHS[3]}"}
    Journal(corpus.store, corpus.part.pack).add([index_row(request, Answer(body=PICTURES[PATHS[3]][2]), PixelConfig())])
    assert corpus.fetch() == ["fetched"] * 6
    assert len(read_attempts(corpus.store, corpus.part.pack)) == 6


@pytest.mark.parametrize(
    ("body", "says_its_end", "outcome"),
    [
        (PICTURES[PATHS[1]][2][:-300], False, "unreachable"),
        (PICTURES[PATHS[1]][2][:-300], True, "damaged"),
        (PICTURES[PATHS[1]][2], False, "fetched"),
        (b"", False, "unreachable"),
        (b"<html>", False, "not-an-image"),
    ],
)
def test_what_only_the_connection_ended_may_be_whole_tomorrow(body, says_its_end, outcome):
    request = {"record_id": "test:00000", "url": "https://pictures.example/1.jpg"}
    row, stored, _ = index_row(request, Answer(body=body, says_its_end=says_its_end), PixelConfig())
    assert row["outcome"] == outcome
    assert (stored is not None) == (outcome == "fetched")
    assert ("sha256" in row) == (outcome != "unreachable")


def _a_web_corpus(folder, base, *hosts):
    lines = [a_yfcc_line(str(number), f"{base}{path}") for number, path in enumerate(PATHS)]
    config = write_corpus(folder, [*lines, *hosts])
    text = config.read_text().replace("retries = 0\n", "retries = 0\nask_again_after_s = 3600.0\n")
    config.write_text(text)
    return config


@pytest.mark.slow
@pytest.mark.beam
def test_byline_build_says_what_it_asks_again_and_asks_it_when_nothing_else_is_to_be_done(tmp_path):
    corpus = Corpus(tmp_path / "unused")
    config = _a_web_corpus(tmp_path, corpus.base)
    answers = {path: PICTURES[path] for path in PATHS[:3]}
    answers |= dict.fromkeys(PATHS[3:5], (503, "text/html", b""))
    with corpus.up(answers) as (_, asked):
        first = CliRunner().invoke(app, ["build", str(config), "--workers", "1"])
        assert len(asked) == 6
        assert "this asks now: byline build CONFIG --ask-again server-error" in first.stderr
        release = build(str(config), workers=1)
        assert len(asked) == 6
        assert last_record(release.store)["done"]["requested"] == 0
    with corpus.up() as (_, asked):
        one_host = ["build", str(config), "--workers", "1", "--ask-again", "server-error,http-error", "--host"]
        other = CliRunner().invoke(app, [*one_host, "elsewhere.example"])
        assert "nothing to ask for again" in other.stderr
        assert asked == []
        second = CliRunner().invoke(app, [*one_host, f"127.0.0.1:{corpus.port}", "--source", "test"])
    assert "asks again for 3 pictures: http-error 1, server-error 2" in second.stderr
    assert sorted(asked) == PATHS[3:]
    assert outcomes_of(Release(second.stdout.strip()))["test"]["fetched"] == 6


def test_a_filter_without_an_outcome_is_an_error_of_one_line(tmp_path):
    result = CliRunner().invoke(app, ["build", str(write_corpus(tmp_path, [])), "--host", "images.example"])
    assert result.exit_code != 0
    assert "name an outcome with it" in str(result.exception or result.output)
