"""Findings of later looks: what holds of several, and what a takedown leaves."""

import json
from datetime import UTC, datetime

import pyarrow as pa

from byline.catalog.corpora.rechecks import (
    add_checks,
    forget_checks,
    last_checked,
    newest_findings,
    num_segments,
    read_checks,
)
from byline.catalog.disk.storage import Store

PACK = "test-00000"
NOAI = '[["x-robots-tag","noai"]]'
CC0 = '[["license","CC0"]]'


def _check(record, day, finding, **overrides):
    at = datetime(2026, 1, day, tzinfo=UTC)
    return {"record_id": record, "url": f"http://a/{record}", "checked_at": at, "finding": finding, **overrides}


def _records(*ids, url="http://a/{}"):
    return pa.table({"record_id": list(ids), "url": [url.format(one) for one in ids]})


def _newest(store, *ids, **options):
    return [tuple(row.values()) for row in newest_findings(store, PACK, _records(*ids, **options)).to_pylist()]


def test_nothing_is_known_of_what_nobody_looked_at(tmp_path):
    store = Store(str(tmp_path))
    assert _newest(store, "a") == [(None, None, None)]
    assert last_checked(store, PACK, _records("a")).to_pylist() == [None]
    add_checks(store, "small", PACK, [_check("b", 1, "removed")])
    assert _newest(store, "a", "b") == [(None, None, None), ("removed", None, None)]


def test_the_newest_finding_holds_whatever_release_asked_and_in_whatever_order_it_was_written(tmp_path):
    store = Store(str(tmp_path))
    add_checks(store, "small", PACK, [_check("a", 3, "unchanged"), _check("b", 1, "opted-out", consent=NOAI)])
    add_checks(store, "large", PACK, [_check("a", 2, "removed"), _check("b", 2, "unchanged")])
    assert _newest(store, "b", "a") == [("unchanged", None, None), ("unchanged", None, None)]
    assert num_segments(store, PACK) == {"large": 1, "small": 1}


def test_what_was_not_reached_says_nothing_against_what_was_known(tmp_path):
    store = Store(str(tmp_path))
    add_checks(store, "small", PACK, [_check("a", 1, "opted-out", consent=NOAI), _check("b", 1, "unreachable")])
    add_checks(store, "small", PACK, [_check("a", 2, "unreachable")])
    assert _newest(store, "a", "b") == [("opted-out", NOAI, None), ("unreachable", None, None)]
    assert [at.day for at in last_checked(store, PACK, _records("a", "b")).to_pylist()] == [2, 1]


def test_claims_hold_until_the_source_is_asked_again(tmp_path):
    store = Store(str(tmp_path))
    add_checks(store, "small", PACK, [_check("a", 1, "relicensed", license_claims=CC0)])
    add_checks(store, "small", PACK, [_check("a", 2, "unchanged")])
    assert _newest(store, "a") == [("unchanged", None, CC0)]


def test_a_finding_at_another_url_is_not_about_this_one(tmp_path):
    store = Store(str(tmp_path))
    add_checks(store, "small", PACK, [_check("a", 1, "removed")])
    assert _newest(store, "a", url="http://new/{}") == [(None, None, None)]


def test_a_takedown_leaves_neither_checks_nor_deltas_of_a_record(tmp_path):
    store = Store(str(tmp_path))
    add_checks(store, "small", PACK, [_check("a", 1, "removed"), _check("b", 1, "removed")])
    add_checks(store, "small", PACK, [_check("b", 2, "unchanged")])
    for name, ids in (("1", ["a", "b"]), ("2", ["b"])):
        store.write_bytes(f"rechecks/small/{name}.delta.json", json.dumps({"removed": ids}).encode())
    assert list(forget_checks(store, PACK, {"a"})) == [
        f"rechecks/small/{PACK}.000.parquet",
        "rechecks/small/1.delta.json",
    ]
    assert store.files("rechecks/small", suffix=".json") == ["2.delta.json"]
    assert read_checks(store, PACK)["record_id"].to_pylist() == ["b", "b"]
    assert list(forget_checks(store, PACK, {"a"})) == []
