"""`byline trace`: everything that is known of a picture, on a corpus and a training run that were really made."""

import json
import re
import shutil

import pyarrow as pa
import pytest

from byline.catalog.corpora.manifest import Release, shard_table_path
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.pipelines.beam.build import build
from byline.pipelines.rights.takedown.remaking import strip, withdraw
from byline.pipelines.rights.traces.release_traces import versions_of
from byline.reports.seen import find_checkpoints
from byline.training.samples import times_seen
from tests.builders import BY_4, a_yfcc_line
from tests.pipelines.rights.traces.traced import (
    PICTURES,
    a_copy,
    in_newest,
    one_trace,
    write_traced,
)


@pytest.mark.slow
def test_a_record_is_told_with_license_evidence_and_creator(store):
    found = one_trace(store, "test:2")
    (said,) = found.said
    assert (found.record_id, found.source, said.creator, said.title) == ("test:2", "test", "Ada L.", "number 2")
    assert said.license.claims == (("licensename", "Attribution License"), ("licenseurl", BY_4))
    assert (said.license.spdx, said.license.choices) == ("CC-BY-4.0", ("CC-BY-4.0",))
    assert said.evidence_file.endswith("metadata.tsv")
    assert (said.evidence_place, said.retrieved_at) == ("line 3", None)
    assert re.fullmatch("[0-9a-f]{64}", said.evidence_sha256)


def test_a_picture_is_told_with_its_attempts_and_facts(store, folder):
    found = one_trace(store, f"{PICTURES}/3.jpg")
    (attempt,) = found.attempts
    assert (attempt.outcome, attempt.original_width, attempt.consent_state) == ("fetched", 256, "unstated")
    assert attempt.fetched_at is not None
    assert {fact.measure for fact in found.facts} == {"captions", "hashes", "quality", "thumbnails"}
    assert [fact.text for fact in found.facts if fact.measure == "captions"] == ["number 3"]
    assert one_trace(store, attempt.sha256).record_id == one_trace(store, attempt.stored_sha256).record_id == "test:3"


def test_a_missing_file_and_a_refused_license_are_told(store):
    (attempt,) = one_trace(store, "test:gone").attempts
    assert attempt.outcome == "http-error"
    refused = one_trace(store, "test:nc")
    assert refused.attempts == refused.facts == ()
    assert in_newest(refused).verdict.reasons == ("license:CC-BY-NC-4.0",)
    assert in_newest(refused).place is None


def test_every_version_of_a_release_is_told_the_newest_first(store, newest):
    releases = one_trace(store, "test:2").releases
    assert [release.is_newest for release in releases] == [True, False]
    assert releases[0].digest == newest.manifest.digest
    assert all(release.verdict.admitted and release.problem is None for release in releases)


def test_the_place_is_where_the_shard_table_has_the_picture(store, newest):
    admitted = 0
    for record_id in [*(f"test:{number}" for number in range(6)), "test:copy"]:
        found = one_trace(store, record_id)
        if in_newest(found).verdict.admitted:
            place = in_newest(found).place
            row = newest.store.read_table(shard_table_path(place.shard)).to_pylist()[place.row]
            assert (row["record_id"], row["sha256"]) == (record_id, found.sha256)
            admitted += 1
    assert admitted == newest.manifest.counts["admitted"] == 6


def test_keeper_and_copies_name_each_other(store):
    original, copy = one_trace(store, "test:0"), one_trace(store, "test:copy")
    keeper, other = (original, copy) if in_newest(original).verdict.admitted else (copy, original)
    told = in_newest(other).keeper
    assert (told.record_id, told.sha256) == (keeper.record_id, keeper.sha256)
    assert 0 <= told.distance_bits <= 12
    (one,) = in_newest(keeper).stands_for
    assert (one.record_id, one.distance_bits) == (other.record_id, told.distance_bits)
    assert in_newest(other).verdict.reasons == ("duplicate:near",) == one.reasons
    assert in_newest(other).place is None


def test_equal_bytes_are_in_the_shard_of_their_keeper(store):
    one, again = (in_newest(one_trace(store, record_id)) for record_id in ("test:1", "test:again"))
    assert one.verdict.admitted != again.verdict.admitted
    assert one.place == again.place is not None


def test_a_small_badly_compressed_copy_is_recognized(store, tmp_path):
    (tmp_path / "found.jpg").write_bytes(a_copy(4, 0.7, quality=50))
    found = one_trace(store, str(tmp_path / "found.jpg"))
    assert found.record_id == "test:4"
    assert 0 < found.distance_bits <= 31


def with_buckets(run, copied):
    """Return a copy of a run whose checkpoints say that it had buckets."""
    shutil.copytree(run, copied)
    for info in (copied / "checkpoints").glob("*/byline.json"):
        said = json.loads(info.read_text())
        info.write_text(json.dumps({**said, "config": {**said["config"], "buckets": {"step_px": 4}}}))
    return copied


@pytest.mark.parametrize("has_buckets", [False, True])
def test_what_checkpoints_saw_is_what_training_says(store, newest, folder, tmp_path, has_buckets):
    run = with_buckets(folder / "models/run", tmp_path / "run") if has_buckets else folder / "models/run"
    checkpoints = find_checkpoints([str(run), str(folder / "models/stranger")], store)
    mine = [one for one in checkpoints.readable if one.info.release_digest == newest.manifest.digest]
    assert len(mine) >= 2
    counted = set()
    for number in range(6):
        found = one_trace(store, f"test:{number}", checkpoints.seen)
        release = in_newest(found)
        assert [one.checkpoint for one in release.seen_by] == [one.path for one in mine]
        for one, told in zip(mine, release.seen_by, strict=True):
            sha256 = found.sha256 if release.place else ""
            assert told.times_seen == times_seen(newest, one.info).get(sha256, 0)
            counted.add(told.times_seen)
        assert all(other.seen_by == () for other in found.releases if not other.is_newest)
    assert len(counted) > 1
    digests = [version.manifest.digest for version in versions_of(store)]
    assert checkpoints.of_others(digests) == tuple(one.path for one in checkpoints.readable if one not in mine)


def test_a_checkpoint_that_cannot_say_what_it_is_is_not_known(folder, tmp_path, store, newest):
    broken = shutil.copytree(folder / "models/run", tmp_path / "run")
    for info in (broken / "checkpoints").glob("*/byline.json"):
        info.write_text("{}")
    checkpoints = find_checkpoints([str(broken)], store)
    assert checkpoints.readable == ()
    assert checkpoints.of_others([newest.manifest.digest]) == checkpoints.damaged != ()
    with pytest.raises(ConfigError, match="no checkpoint in"):
        find_checkpoints([str(tmp_path)], store)


def _edit(store, path):
    """Change a file so that it can still be read."""
    if path.endswith(".json"):
        store.write_bytes(path, store.read_bytes(path).replace(b'"records":{', b'"records":{"more":"x",'))
    else:
        table = store.read_table(path)
        licenses = pa.array(["CC0-1.0"] * len(table))
        store.write_table(path, table.set_column(table.schema.get_field_index("license"), "license", licenses))


@pytest.mark.parametrize("name", ["manifest.json", "verdicts/{pack}.parquet", "clusters.parquet"])
def test_an_edited_version_is_one_line_and_the_others_go_on(copy, newest, name):
    store = Store(str(copy))
    keeper = next(
        one for one in (one_trace(store, "test:0"), one_trace(store, "test:copy")) if in_newest(one).verdict.admitted
    )
    _edit(store, f"{newest.path}/{name.format(pack=keeper.pack)}")
    first, second = one_trace(store, keeper.record_id).releases
    assert "edited" in first.problem
    assert "\n" not in first.problem
    assert first.verdict is None
    assert second.problem is None
    assert second.verdict.admitted


@pytest.mark.parametrize("has_buckets", [False, True])
def test_a_withdrawn_version_says_so_and_can_still_be_asked_who_saw_a_picture(
    copy, newest, folder, tmp_path, has_buckets
):
    store = Store(str(copy))
    run = with_buckets(folder / "models/run", tmp_path / "run") if has_buckets else folder / "models/run"
    checkpoints = find_checkpoints([str(run)], store)
    records = [f"test:{number}" for number in range(6)]
    before = [in_newest(one_trace(store, record_id, checkpoints.seen)) for record_id in records]
    withdraw(Release(store.url(newest.path)), None, "abc")
    strip(store, newest.path)
    for shard in newest.manifest.shards:
        store.remove(shard_table_path(shard.name))
    checkpoints = find_checkpoints([str(run)], store)
    after = [in_newest(one_trace(store, record_id, checkpoints.seen)) for record_id in records]
    assert all("withdrawn by takedown abc" in one.problem for one in after)
    assert [one.place for one in after] == [one.place for one in before]
    assert [one.seen_by for one in after] == [one.seen_by for one in before] != [()] * 6


@pytest.mark.slow
def test_what_a_later_run_of_the_source_says_comes_first(tmp_path):
    config = write_traced(tmp_path)
    build(str(config), workers=1)
    changed = a_yfcc_line("3", f"{PICTURES}/3.jpg", licensename="", licenseurl=BY_4.replace("4.0", "2.0"))
    metadata = tmp_path / "metadata.tsv"
    lines = [line for line in metadata.read_text().splitlines() if not line.startswith("3\t")]
    metadata.write_text("\n".join([*lines, changed, ""]))
    build(str(config), workers=1)
    said = one_trace(Store(str(tmp_path / "corpus")), "test:3").said
    assert [one.license.spdx for one in said] == ["CC-BY-2.0", "CC-BY-4.0"]
