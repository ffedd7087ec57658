"""`byline trace`: everything that is known of a picture, on a corpus and a training run that were really made."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from catalog.errors import ConfigError
from catalog.manifest import Release, shard_table_path
from catalog.storage import Store
from cli.corpus import find_corpus
from cli.seen import find_checkpoints
from pipelines.run import build
from pipelines.traces.release_traces import versions_of
from pipelines.traces.tracing import kind_of, trace
from tests.builders import BY_4, a_yfcc_line, encoded, write_corpus
from tests.training.builders import an_autoencoder_run, write_toml
from training.order import Order
from training.run import run
from training.samples import times_seen

REPOSITORY = Path(__file__).parents[2]
PICTURES = "https://pictures.example"
PHOTOGRAPHS = sorted((REPOSITORY / "samples/photographs").glob("lomiri-*.jpg"))[:6]
HOSTILE = "[bold]evil[/]\x1b[31m\u202etitle"


def _copy(number, scale, *, quality):
    with Image.open(PHOTOGRAPHS[number]) as image:
        size = [round(side * scale) for side in image.size]
        return encoded(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), quality=quality)


def _write(folder):
    """Write a corpus: six photographs, a copy, equal bytes twice, a license that is refused, a missing file."""
    lines = []
    for number in range(6):
        page = f"https://example.org/page/{number}"
        title = HOSTILE if number == 0 else f"number+{number}"
        lines.append(a_yfcc_line(str(number), f"{PICTURES}/{number}.jpg", pageurl=page, title=title))
    lines += [
        a_yfcc_line("copy", f"{PICTURES}/copy.jpg"),
        a_yfcc_line("again", f"{PICTURES}/1.jpg"),
        a_yfcc_line("nc", f"{PICTURES}/2.jpg", licenseurl="", licensename="CC BY-NC 4.0"),
        a_yfcc_line("gone", f"{PICTURES}/gone.jpg"),
    ]
    config = write_corpus(folder, lines, num_packs=2)
    for number in range(len(PHOTOGRAPHS)):
        (folder / f"pictures/{number}.jpg").write_bytes(PHOTOGRAPHS[number].read_bytes())
    (folder / "pictures/copy.jpg").write_bytes(_copy(0, 1.0, quality=60))
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a corpus of two versions of a release, and two runs: one on the newest, one on another."""
    folder = tmp_path_factory.mktemp("trace")
    config = _write(folder)
    build(str(config), workers=1)
    policy = folder / "policy.toml"
    policy.write_text(policy.read_text().replace('["CC0", "CC-BY", "CC-BY-SA"]', '["CC-BY"]'))
    newest = build(str(config), workers=1)
    url = newest.store.url(newest.path)
    machine = {"save_every_images": 20, "keep_checkpoints": 5}
    trained = an_autoencoder_run(url, folder / "models/run", images=24, shuffle_shards=1, machine=machine)
    assert run(write_toml(folder / "run.toml", trained)) == 0
    shutil.copytree(folder / "models/run", folder / "models/stranger")
    for info in (folder / "models/stranger/checkpoints").glob("*/byline.json"):
        said = json.loads(info.read_text())
        info.write_text(json.dumps({**said, "release_digest": "f" * 64}))
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    """Return a copy that a test may damage."""
    shutil.copytree(folder / "corpus", tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture(scope="module")
def store(folder):
    return Store(str(folder / "corpus"))


@pytest.fixture(scope="module")
def newest(folder):
    return Release(f"{folder}/corpus/releases/small")


def _one(store, x, *seen):
    (found,) = trace(store, x, *seen)
    return found


def _in_newest(found):
    return next(release for release in found.releases if release.is_newest)


def test_a_record_is_told_with_license_evidence_and_creator(store):
    found = _one(store, "test:2")
    (said,) = found.said
    assert (found.record_id, found.source, said.creator, said.title) == ("test:2", "test", "Ada L.", "number 2")
    assert said.license.claims == (("licensename", "Attribution License"), ("licenseurl", BY_4))
    assert (said.license.spdx, said.license.choices) == ("CC-BY-4.0", ("CC-BY-4.0",))
    assert said.evidence_file.endswith("metadata.tsv")
    assert (said.evidence_place, said.retrieved_at) == ("line 3", None)
    assert re.fullmatch("[0-9a-f]{64}", said.evidence_sha256)


def test_a_picture_is_told_with_its_attempts_and_facts(store, folder):
    found = _one(store, f"{PICTURES}/3.jpg")
    (attempt,) = found.attempts
    assert (attempt.outcome, attempt.original_width, attempt.consent_state) == ("fetched", 256, "unstated")
    assert attempt.fetched_at is not None
    assert {fact.measure for fact in found.facts} == {"captions", "hashes", "quality", "thumbnails"}
    assert [fact.text for fact in found.facts if fact.measure == "captions"] == ["number 3"]
    assert _one(store, attempt.sha256).record_id == _one(store, attempt.stored_sha256).record_id == "test:3"


def test_a_missing_file_and_a_refused_license_are_told(store):
    (attempt,) = _one(store, "test:gone").attempts
    assert attempt.outcome == "http-error"
    refused = _one(store, "test:nc")
    assert refused.attempts == refused.facts == ()
    assert _in_newest(refused).verdict.reasons == ("license:CC-BY-NC-4.0",)
    assert _in_newest(refused).place is None


def test_every_version_of_a_release_is_told_the_newest_first(store, newest):
    releases = _one(store, "test:2").releases
    assert [release.is_newest for release in releases] == [True, False]
    assert releases[0].digest == newest.manifest.digest
    assert all(release.verdict.admitted and release.problem is None for release in releases)


def test_the_place_is_where_the_shard_table_has_the_picture(store, newest):
    admitted = 0
    for record_id in [*(f"test:{number}" for number in range(6)), "test:copy"]:
        found = _one(store, record_id)
        if _in_newest(found).verdict.admitted:
            place = _in_newest(found).place
            row = newest.store.read_table(shard_table_path(place.shard)).to_pylist()[place.row]
            assert (row["record_id"], row["sha256"]) == (record_id, found.sha256)
            admitted += 1
    assert admitted == newest.manifest.counts["admitted"] == 6


def test_keeper_and_copies_name_each_other(store):
    original, copy = _one(store, "test:0"), _one(store, "test:copy")
    keeper, other = (original, copy) if _in_newest(original).verdict.admitted else (copy, original)
    told = _in_newest(other).keeper
    assert (told.record_id, told.sha256) == (keeper.record_id, keeper.sha256)
    assert 0 <= told.distance_bits <= 12
    (one,) = _in_newest(keeper).stands_for
    assert (one.record_id, one.distance_bits) == (other.record_id, told.distance_bits)
    assert _in_newest(other).verdict.reasons == ("duplicate:near",) == one.reasons
    assert _in_newest(other).place is None


def test_equal_bytes_are_in_the_shard_of_their_keeper(store):
    one, again = (_in_newest(_one(store, record_id)) for record_id in ("test:1", "test:again"))
    assert one.verdict.admitted != again.verdict.admitted
    assert one.place == again.place is not None


def test_a_small_badly_compressed_copy_is_recognised(store, tmp_path):
    (tmp_path / "found.jpg").write_bytes(_copy(4, 0.7, quality=50))
    found = _one(store, str(tmp_path / "found.jpg"))
    assert found.record_id == "test:4"
    assert 0 < found.distance_bits <= 31


def test_what_checkpoints_saw_is_what_training_says(store, newest, folder):
    checkpoints = find_checkpoints([str(folder / "models/run"), str(folder / "models/stranger")])
    mine = [one for one in checkpoints.readable if one.info.release_digest == newest.manifest.digest]
    assert len(mine) >= 2
    counted = set()
    for number in range(6):
        found = _one(store, f"test:{number}", checkpoints.seen)
        release = _in_newest(found)
        assert [one.checkpoint for one in release.seen_by] == [one.path for one in mine]
        for one, told in zip(mine, release.seen_by, strict=True):
            sha256 = found.sha256 if release.place else ""
            assert told.times_seen == times_seen(newest, one.info).get(sha256, 0)
            counted.add(told.times_seen)
        assert all(other.seen_by == () for other in found.releases if not other.is_newest)
    assert len(counted) > 1
    digests = [version.manifest.digest for version in versions_of(store)]
    assert checkpoints.of_others(digests) == tuple(one.path for one in checkpoints.readable if one not in mine)


@pytest.mark.parametrize("images_seen", [0, 1, 7, 12, 13, 25, 40])
def test_times_seen_of_one_sample_is_what_is_counted_of_all(images_seen):
    order = Order(shard_sizes=(3, 5, 4), window_shards=2, seed=7)
    counts = order.times_seen(images_seen)
    for shard, size in enumerate(order.shard_sizes):
        assert [order.times_seen_at(images_seen, shard, row) for row in range(size)] == counts[shard].tolist()


def test_a_checkpoint_that_cannot_say_what_it_is_is_not_known(folder, tmp_path, newest):
    broken = shutil.copytree(folder / "models/run", tmp_path / "run")
    for info in (broken / "checkpoints").glob("*/byline.json"):
        info.write_text("{}")
    checkpoints = find_checkpoints([str(broken)])
    assert checkpoints.readable == ()
    assert checkpoints.of_others([newest.manifest.digest]) == checkpoints.damaged != ()
    with pytest.raises(ConfigError, match="no checkpoint in"):
        find_checkpoints([str(tmp_path)])


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
    keeper = next(one for one in (_one(store, "test:0"), _one(store, "test:copy")) if _in_newest(one).verdict.admitted)
    _edit(store, f"{newest.path}/{name.format(pack=keeper.pack)}")
    first, second = _one(store, keeper.record_id).releases
    assert "edited" in first.problem
    assert "\n" not in first.problem
    assert first.verdict is None
    assert second.problem is None
    assert second.verdict.admitted


def test_a_withdrawn_version_says_so_and_can_still_be_asked_who_saw_a_picture(copy, newest, folder):
    checkpoints = find_checkpoints([str(folder / "models/run")])
    records = [f"test:{number}" for number in range(6)]
    before = [_in_newest(_one(Store(str(copy)), record_id, checkpoints.seen)) for record_id in records]
    path = copy / newest.path
    store = Store(str(copy))
    samples = [
        {"shard": shard.name, "key": key}
        for shard in newest.manifest.shards
        for key in store.read_table(shard_table_path(shard.name), ["key"])["key"].to_pylist()
    ]
    store.write_table(f"{newest.path}/samples.parquet", pa.Table.from_pylist(samples))
    (path / "withdrawn.json").write_text('{"takedown": "abc", "successor": null}')
    for paper in newest.manifest.papers:
        (path / paper).unlink()
    after = [_in_newest(_one(store, record_id, checkpoints.seen)) for record_id in records]
    assert all("withdrawn by takedown abc" in one.problem for one in after)
    assert [one.place for one in after] == [one.place for one in before]
    assert [one.seen_by for one in after] == [one.seen_by for one in before] != [()] * 6


def test_what_a_later_run_of_the_source_says_comes_first(tmp_path):
    config = _write(tmp_path)
    build(str(config), workers=1)
    changed = a_yfcc_line("3", f"{PICTURES}/3.jpg", licensename="", licenseurl=BY_4.replace("4.0", "2.0"))
    metadata = tmp_path / "metadata.tsv"
    lines = [line for line in metadata.read_text().splitlines() if not line.startswith("3\t")]
    metadata.write_text("\n".join([*lines, changed, ""]))
    build(str(config), workers=1)
    said = _one(Store(str(tmp_path / "corpus")), "test:3").said
    assert [one.license.spdx for one in said] == ["CC-BY-2.0", "CC-BY-4.0"]


@pytest.mark.parametrize(
    ("x", "kind"),
    [("a" * 64, "sha256"), ("A" * 63, "record"), ("https://a.org", "url"), ("a:1", "record"), (__file__, "picture")],
)
def test_kinds(x, kind):
    assert kind_of(x) == kind


def _byline(*arguments, cwd):
    script = "import sys; sys.argv[0] = 'byline'\nfrom cli.main import main\ntry:\n    main()\nfinally:\n"
    script += "    heavy = {'torch', 'pandas', 'apache_beam', 'transformers'} & set(sys.modules)\n"
    script += "    print(sorted(heavy), file=sys.stderr)\n"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "80"}
    command = [sys.executable, "-c", script, "trace", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("x", ["test:0", f"{PICTURES}/0.jpg"])
def test_the_command_finds_corpus_and_runs_fits_80_columns_and_loads_nothing_heavy(folder, x):
    told = _byline(x, cwd=folder)
    assert told.returncode == 0
    assert told.stderr.strip() == "[]"
    assert max(map(len, told.stdout.splitlines())) <= 80
    for expected in ("Ada L.", "CC-BY-4.0", BY_4, "models/run/checkpoints", "not known models/stranger"):
        assert expected in told.stdout
    assert "[bold]evil[/]" in told.stdout
    assert not set("\x1b\u202e") & set(told.stdout)


def test_a_checkpoint_of_a_version_that_cannot_tell_is_not_known(copy, newest, folder):
    for path in (copy / newest.path / "verdicts").iterdir():
        path.write_bytes(b"edited")
    told = _byline("test:2", "--run", str(folder / "models/run"), "--json", cwd=copy.parent)
    paths = [one.path for one in find_checkpoints([str(folder / "models/run")]).readable]
    assert json.loads(told.stdout)["checkpoints_not_known"] == paths


def test_json_is_complete_stable_and_ascii(folder):
    first, second = (_byline("test:1", "--json", cwd=folder) for _ in range(2))
    assert first.stdout == second.stdout
    assert first.stdout.isascii()
    told = json.loads(first.stdout)
    assert told["looked_for"] == {"kind": "record", "value": "test:1"}
    (record,) = told["records"]
    assert set(record) == {
        "record_id", "source", "pack", "distance_bits", "said", "attempts", "facts", "releases"
    }  # fmt: skip
    assert {release["is_newest"] for release in record["releases"]} == {True, False}
    assert len(told["checkpoints_not_known"]) >= 1


@pytest.mark.parametrize("x", ["test:99", "https://a.org/1.jpg", "0" * 64])
def test_nothing_found_is_one_line_and_1(folder, x):
    told = _byline(x, cwd=folder)
    assert told.returncode == 1
    (line,) = told.stdout.splitlines()
    assert x in line


def test_none_or_several_corpora_are_an_error_that_names_them(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no corpus in the current folder"):
        find_corpus(None)
    with pytest.raises(ConfigError, match="no corpus at nowhere"):
        find_corpus("nowhere")
    for name in ("one", "deep/two"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(folder / "corpus/corpus.toml", tmp_path / name)
    with pytest.raises(ConfigError, match="2 corpora here: deep/two, one"):
        find_corpus(None)
    shutil.rmtree(tmp_path / "one")
    shutil.copy(folder / "corpus.toml", tmp_path)  # a config is no corpus
    assert find_corpus(None).root == "deep/two"
