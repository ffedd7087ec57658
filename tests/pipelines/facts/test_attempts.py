"""Who is asked again, and when: by table, from index rows."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from byline.catalog.corpora.packs import INDEX_SCHEMA
from byline.catalog.errors import ConfigError
from byline.pipelines.facts.attempts import ATTEMPT_COLUMNS, AskAgain, Asking, due, read_ask_again

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR_S = 3600.0
SCHEMA = pa.schema([INDEX_SCHEMA.field(name) for name in ATTEMPT_COLUMNS])
URL = "http://images.example/a.jpg"


def _due(attempts, *, spacing_s=20 * HOUR_S, again=None, source="test", url=URL):
    """Return whether a record is asked for `first`, `again` or `no`, after attempts of (hours ago, outcome, sent)."""
    rows = [
        {
            "record_id": "test:1",
            "url": url,
            "outcome": outcome,
            "fetched_at": None if hours is None else BEGAN - timedelta(hours=hours),
            "was_sent": was_sent,
        }
        for hours, outcome, was_sent in attempts
    ]
    other = {"record_id": "test:2", "url": url, "outcome": "fetched", "fetched_at": BEGAN, "was_sent": True}
    records = pa.table({"record_id": ["test:1"], "url": [url]})
    table = pa.Table.from_pylist([other, *rows], schema=SCHEMA)
    found = due(records, table, source, Asking(began=BEGAN, spacing_s=spacing_s, again=again))
    return "first" if found.first[0] else "again" if found.again[0] else "no"


@pytest.mark.parametrize(
    ("attempts", "asked"),
    [
        ([], "first"),
        ([(30, "unreachable", True)], "again"),
        ([(1, "unreachable", True)], "no"),  # too near in time
        ([(1, "unreachable", False)], "again"),  # nothing was sent
        ([(1, "timeout", True), (0.5, "unreachable", False)], "no"),  # what was sent is too near all the same
        ([(30, "timeout", True), (0.5, "unreachable", False)], "again"),
        ([(72, "timeout", True), (48, "timeout", True), (24, "server-error", True)], "no"),  # three, far apart
        ([(72, "timeout", True), (48, "timeout", False), (24, "server-error", True)], "again"),
        ([(48.02, "timeout", True), (48.01, "timeout", True), (48, "timeout", True)], "again"),  # one outage is one
        ([(48, "timeout", None), (24, "timeout", None)], "again"),  # an older corpus
        ([(96, "timeout", None), (72, "timeout", None), (48, "timeout", None)], "no"),
        ([(None, "timeout", None)], "again"),
        ([(1000, "http-error", True)], "no"),
        ([(1000, "fetched", True)], "no"),
        ([(30, "http-error", True), (25, "timeout", True)], "again"),  # it was asked again, and the newest counts
        ([(-0.1, "unreachable", False)], "no"),  # this build did it already, and was killed
    ],
)
def test_attempts_that_were_sent_and_are_far_apart_count(attempts, asked):
    assert _due(attempts) == asked


def test_without_a_spacing_three_builds_are_three_attempts():
    attempts = [(0.03, "timeout", True), (0.02, "timeout", True)]
    assert _due(attempts, spacing_s=0) == "again"
    assert _due([*attempts, (0.01, "timeout", True)], spacing_s=0) == "no"


def _named(outcomes, **more):
    return AskAgain(outcomes=frozenset(outcomes.split(",")), **{name: frozenset(these) for name, these in more.items()})


SETTLED = [(5, "http-error", True)]


@pytest.mark.parametrize(
    ("again", "attempts", "asked"),
    [
        (_named("http-error"), SETTLED, "again"),
        (_named("timeout,http-error"), SETTLED, "again"),
        (_named("timeout"), SETTLED, "no"),
        (_named("http-error"), [*SETTLED, (4, "fetched", True)], "no"),  # the newest outcome counts
        (_named("http-error"), [(-0.1, "http-error", True)], "no"),  # asked again by this build already
        (_named("http-error", sources=["test", "b"]), SETTLED, "again"),
        (_named("http-error", sources=["b"]), SETTLED, "no"),
        (_named("http-error", hosts=["images.example"]), SETTLED, "again"),
        (_named("http-error", hosts=["images.example:80"]), SETTLED, "again"),
        (_named("http-error", hosts=["images.example:8080"]), SETTLED, "no"),
        (_named("http-error", hosts=["example"]), SETTLED, "no"),
        (_named("timeout"), [(72, "timeout", True), (48, "timeout", True), (0.1, "timeout", True)], "again"),
        (_named("timeout"), [], "first"),
    ],
)
def test_what_people_name_is_asked_again_whatever_was_settled(again, attempts, asked):
    assert _due(attempts, again=again) == asked


def test_hosts_are_told_apart_by_their_normal_form():
    again = read_ask_again("bad-url,http-error", hosts=["Images.Example.", "bücher.example:8080"], known_sources=["a"])
    assert again.hosts == {"images.example", "xn--bcher-kva.example:8080"}
    assert _due(SETTLED, again=again, url="http://IMAGES.example/%zz") == "again"
    assert _due([(5, "bad-url", True)], again=again, url="http://[::1") == "no"  # it has no host


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone",), "--ask-again: unknown outcome 'gone'; they are bad-url, private-address, disallowed, "),
        ((" , ",), "--ask-again needs an outcome; they are bad-url"),
        (("timeout,fetched",), "--ask-again fetched: it is a picture that is here; byline recheck asks"),
        (("denied",), "--ask-again denied: it was taken down, and would be refused again"),
        (("timeout", ["museum"]), "--source museum is no source of the corpus; they are a, b"),
        (("timeout", [], ["http://x/"]), "--host http://x/: give a name, or name:port"),
        (("timeout", [], ["x:99999"]), "--host x:99999: give a name, or name:port"),
    ],
)
def test_what_cannot_be_asked_again_is_one_line(arguments, message):
    with pytest.raises(ConfigError, match="^" + message.replace("(", r"\(")):
        read_ask_again(*arguments, known_sources=["a", "b"])
