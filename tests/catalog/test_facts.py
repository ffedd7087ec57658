import pyarrow as pa

from byline.catalog.corpora.facts import FactTable, instrument_name
from byline.catalog.disk.storage import Store

SCHEMA = pa.schema([("sha256", pa.string()), ("value", pa.int64())])


def _facts(tmp_path):
    return FactTable(store=Store(str(tmp_path)), measure="m", instrument="i", schema=SCHEMA)


def test_only_what_is_lacking_is_asked_for(tmp_path):
    facts = _facts(tmp_path)
    assert facts.lacking("p", ["b", "a", "a"]) == ["a", "b"]
    facts.append("p", [{"sha256": "b", "value": 1}])
    assert facts.lacking("p", ["a", "b", "c"]) == ["a", "c"]


def test_segments_read_as_one_sorted_table(tmp_path):
    facts = _facts(tmp_path)
    facts.append("p", [{"sha256": "c", "value": 3}, {"sha256": "a", "value": 1}])
    facts.append("p", [{"sha256": "b", "value": 2}])
    assert facts.read("p")["value"].to_pylist() == [1, 2, 3]


def test_what_another_writer_adds_meanwhile_is_not_added_again(tmp_path, monkeypatch):
    rows, others = [{"sha256": name, "value": 1} for name in "ab"], _facts(tmp_path / "there")
    facts, numbered, calls = _facts(tmp_path / "there"), Store.numbered, []

    def after_another(store, prefix, suffix):
        names = numbered(store, prefix, suffix)
        calls.append(names)
        if len(calls) == 1:
            others.append("p", rows[:1])
        return names

    monkeypatch.setattr(Store, "numbered", after_another)
    facts.append("p", rows)
    assert [facts.read("p", first=number, last=number + 1)["sha256"].to_pylist() for number in (0, 1)] == [["a"], ["b"]]


def test_packs_do_not_mix(tmp_path):
    facts = _facts(tmp_path)
    facts.append("p", [{"sha256": "a", "value": 1}])
    assert facts.read("p2").num_rows == 0


def test_any_setting_renames_the_instrument():
    names = {instrument_name("n", v, s) for v in ("1", "2") for s in ({"a": 1}, {"a": 2})}
    assert len(names) == 4
