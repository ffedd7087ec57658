"""What goes and what stays, and what the receipt says of it."""

import json
import os

import pyarrow as pa
import pytest

from byline.catalog.corpora.corpus import read_settings
from byline.catalog.corpora.manifest import Release, shard_table_path
from byline.catalog.corpora.packs import read_index
from byline.catalog.denylists.lists import read_key
from byline.catalog.denylists.values import keyed_text
from byline.catalog.errors import CorpusError
from byline.pipelines.beam.build import build
from byline.pipelines.releases.verify import verify
from byline.pipelines.rights.takedown.apply import begin, complete
from byline.pipelines.rights.takedown.checking import check_corpus
from byline.pipelines.rights.takedown.selecting import select
from byline.pipelines.rights.traces.lookup import find_record
from byline.pipelines.rights.traces.release_traces import Place
from tests.pipelines.rights.takedown.corpora import (
    PHOTO,
    a_request,
    latest,
    shipped,
    take_down,
    write_lone_release,
    write_pictures,
)

pytestmark = pytest.mark.beam


@pytest.mark.slow
def test_it_is_gone_from_everything_and_the_rest_is_whole(corpus):
    store, config, before = corpus
    victim = read_index(store, find_record(store, "test:2")["test:2"].pack)
    sha256 = {row["record_id"]: row["sha256"] for row in victim.to_pylist()}["test:2"]
    receipt = take_down(store, records=("test:2",))
    release = latest(store)
    assert list(verify(release)) == []
    assert shipped(release) == shipped(before) - {"test:2", "test:7"}
    assert receipt.releases == [{"name": "small", "before": before.version, "after": release.version}]
    folder = store.local_path("")
    left = [p for p in folder.rglob("*") if p.is_file() and sha256.encode() in p.read_bytes()]
    assert {p.name for p in left} <= {"samples.parquet"}
    assert not find_record(store, "test:2")
    assert build(config, workers=1).version == release.version


def test_the_old_version_says_what_took_its_place(corpus):
    store, _, before = corpus
    take_down(store, records=("test:0",))
    with pytest.raises(CorpusError, match=f"withdrawn by takedown .*use version {latest(store).version}"):
        Release(store.url(before.path))


def test_only_the_packs_and_shards_of_what_goes_are_touched(corpus):
    store, _, before = corpus
    pack = find_record(store, "test:0")["test:0"].pack
    times = {
        p: p.stat().st_mtime_ns
        for room in ("packs", "facts", "shards")
        for p in store.local_path(room).rglob("*.*")
        if p.is_file()
    }
    receipt = take_down(store, records=("test:0",))
    touched = {p for p, time in times.items() if not p.exists() or p.stat().st_mtime_ns != time}
    assert touched
    rooms = {p.relative_to(store.local_path("")).parts[:2] for p in touched if not p.name.startswith(pack)}
    assert rooms <= {("facts", "edges")}
    assert {shard["before"].rsplit("-", 2)[0] for shard in receipt.shards} == {pack}
    kept = {shard.name for shard in before.manifest.shards} & {shard.name for shard in latest(store).manifest.shards}
    assert kept


def test_shards_are_those_of_a_corpus_that_never_had_it(corpus, tmp_path):
    store, _, _ = corpus
    take_down(store, records=("test:3",))
    config = write_pictures(tmp_path / "never")
    metadata = tmp_path / "never/metadata.tsv"
    metadata.write_text(
        "".join(line + "\n" for line in metadata.read_text().splitlines() if not line.startswith("3\t"))
    )
    never = build(str(config), workers=1)
    assert [(s.name, s.sha256) for s in latest(store).manifest.shards] == [
        (s.name, s.sha256) for s in never.manifest.shards
    ]


def test_the_next_best_copy_is_promoted_when_only_equal_bytes_go(corpus):
    store, _, before = corpus
    assert "test:6" not in shipped(before)
    take_down(store, records=("test:1",), radius_bits=0)
    assert "test:6" in shipped(latest(store))


def test_facts_of_no_known_key_do_not_block_it_and_are_gone(corpus):
    store, _, _ = corpus
    pack = find_record(store, "test:0")["test:0"].pack
    paths = [f"facts/gait/walker-2/{pack}.{segment:03d}.parquet" for segment in range(2)]
    other = f"facts/gait/walker-2/{'test-00009'}.000.parquet"
    for path in (*paths, other):
        store.write_table(path, pa.table({"record_id": ["test:0", "test:8"], "steps": [3, 4]}))
    receipt = take_down(store, records=("test:0",))
    assert not any(store.exists(path) for path in paths)
    assert store.exists(other)
    assert {file["path"] for file in receipt.files} >= set(paths)


def test_a_caption_that_others_have_too_stays(corpus):
    store, _, _ = corpus
    take_down(store, records=("test:0",), radius_bits=0)
    release = latest(store)
    tables = [store.read_table(shard_table_path(shard.name)).to_pylist() for shard in release.manifest.shards]
    captions = {row["record_id"]: row["caption"] for rows in tables for row in rows}
    assert captions["test:5"] == "blobs number 0"


def test_a_release_of_which_nothing_is_left_is_withdrawn(corpus):
    store, _, before = corpus
    receipt = take_down(store, domains=("pictures.example",))
    assert receipt.releases == [{"name": "small", "before": before.version, "after": None}]
    assert store.files("shards") == []
    with pytest.raises(CorpusError, match="no release small"):
        latest(store)


def test_a_release_that_is_emptied_does_not_stop_the_next(corpus, tmp_path):
    store, _, before = corpus
    alone = build(write_lone_release(tmp_path), workers=1)
    receipt = take_down(store, records=("lone:9", "test:0"))
    assert receipt.releases == [
        {"name": "alone", "before": alone.version, "after": None},
        {"name": "small", "before": before.version, "after": latest(store).version},
    ]
    assert list(verify(latest(store))) == []
    assert store.folders("releases/alone") == [alone.version]
    assert store.files("releases/alone") == []


@pytest.mark.parametrize("kinds", [("tar",), ("tar", "parquet"), ("parquet",)])
def test_what_a_killed_writer_left_of_a_shard_is_gone_too(corpus, kinds):
    store, _, before = corpus
    pack = find_record(store, "test:0")["test:0"].pack
    shard = next(shard for shard in before.manifest.shards if shard.pack == pack)
    for kind in kinds:
        stem = shard.name.removesuffix(".tar")
        store.write_bytes(f"shards/{pack}-train-{'0' * 16}.{kind}", store.read_bytes(f"shards/{stem}.{kind}"))
    store.write_bytes(f".partial/{os.getpid()}/left", store.read_bytes(f"shards/{shard.name}"))
    take_down(store, records=("test:0",))
    assert not [name for name in store.files("shards") if "0" * 16 in name]
    assert not store.files(f".partial/{os.getpid()}")
    assert list(check_corpus(store, (), {}, lambda path, num_bytes: None)) == []


def test_what_the_checkpoints_saw_is_in_the_receipt(corpus):
    store, _, before = corpus
    request = a_request(records=("test:0",))
    selection = select(store, request, read_settings(store)["pixels"])
    begin(
        store,
        request,
        selection,
        lambda manifest, found: [{"checkpoint": manifest.digest[:16], "times_seen": dict.fromkeys(found.values(), 3)}],
    )
    assert complete(store).checkpoints == [
        {"checkpoint": before.version, "times_seen": {selection.victims[0].sha256: 3}}
    ]


def test_what_checkpoints_of_versions_withdrawn_before_saw_is_in_the_receipt(corpus):
    store, _, before = corpus
    take_down(store, records=("test:0",))
    second = latest(store)
    request = a_request(records=("test:3",))
    places = {}
    begin(
        store,
        request,
        select(store, request, read_settings(store)["pixels"]),
        lambda manifest, found: places.update({manifest.digest[:16]: dict(found)}) or [],
    )
    keys = {
        Place(shard=shard.name, row=row): key
        for shard in second.manifest.shards
        for row, key in enumerate(store.read_table(shard_table_path(shard.name), ["key"])["key"].to_pylist())
    }
    assert set(places) == {before.version, second.version}
    assert places[second.version].items() <= keys.items()
    samples = store.read_table(f"{before.path}/samples.parquet").to_pylist()
    ((place, key),) = places[before.version].items()
    assert [row["key"] for row in samples if row["shard"] == place.shard][place.row] == key


def test_the_receipt_is_readable_and_complete(corpus):
    store, _, _ = corpus
    receipt = take_down(store, records=("test:2",))
    said, key = json.loads(store.read_bytes(f"receipts/{receipt.id}.json")), read_key(store)
    assert {row["record_id_keyed"]: row["reason"] for row in said["removed"]} == {
        keyed_text(key, "record", "test:2"): "asked for",
        keyed_text(key, "record", "test:7"): "equal bytes",
    }
    assert {row["record_id"]: row["reason"] for row in receipt.removed} == {
        "test:2": "asked for",
        "test:7": "equal bytes",
    }
    assert all(change["before_sha256"] != change["after_sha256"] for change in said["files"])
    rooms = {change["path"].split("/")[0] for change in said["files"]}
    assert rooms == {"records", "packs", "facts"}


@pytest.mark.slow
def test_it_is_gone_from_a_bucket_too(tmp_path, s3_root):
    config = write_pictures(tmp_path)
    config.write_text(config.read_text().replace(f'root = "{tmp_path}/corpus"', f'root = "{s3_root}-taken-down"'))
    before = build(str(config), workers=1)
    before_it = shipped(before)
    take_down(before.store, records=("test:1", "test:2"))
    release = latest(before.store)
    assert list(verify(release)) == []
    assert before_it - shipped(release) == {"test:1", "test:2"}
    assert "test:7" not in shipped(release)
    assert build(str(config), workers=1).version == release.version
    prints = {name: PHOTO.read_bytes() for name in ["photo"]}
    assert list(check_corpus(before.store, (), prints, lambda path, num_bytes: None)) == []
