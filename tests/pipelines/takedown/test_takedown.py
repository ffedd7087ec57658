"""Taking down, on real corpora that real builds made: what goes, what stays, what cannot come back."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from catalog.corpus import owned, read_settings
from catalog.denylist import load_denylist
from catalog.errors import BylineError, ConfigError, CorpusError
from catalog.manifest import Release, shard_table_path
from catalog.packs import read_index
from catalog.storage import Store
from pipelines.run import build
from pipelines.takedown.apply import begin, complete, is_pending
from pipelines.takedown.checking import check_corpus
from pipelines.takedown.selecting import Request, select
from pipelines.traces.lookup import find_record
from pipelines.verify import verify
from tests.builders import a_picture, a_yfcc_line, encoded, tree_digest, write_corpus

pytestmark = pytest.mark.beam
HOST = "https://pictures.example"


PHOTO = Path("samples/photographs/lomiri-dragonfly-by-bolly.jpg")


def _smaller(kind, **options):
    with Image.open(PHOTO) as photo:
        return encoded(photo.resize((150, 112)), kind, **options)


def _write(folder, *, lines=()):
    """Write a corpus of six pictures; 6 is picture 1 again, smaller; 7 has the bytes of picture 2."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    pictures = {str(i): encoded(a_picture(i)) for i in range(6)}
    pictures |= {"1": PHOTO.read_bytes(), "6": _smaller("JPEG", quality=60), "7": pictures["2"]}
    for name, data in pictures.items():
        (folder / "pictures" / f"{name}.jpg").write_bytes(data)
    said = {"3": {"unickname": "Grace"}, "4": {"unickname": "Grace"}, "5": {"title": "blobs+number+0"}}
    rows = [a_yfcc_line(name, f"{HOST}/{name}.jpg", **said.get(name, {})) for name in pictures]
    return write_corpus(folder, [*rows, *lines], num_packs=4)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    return folder, build(str(_write(folder)), workers=1)


@pytest.fixture
def corpus(built, tmp_path):
    """Return a corpus of one's own, its config and its release."""
    _write(tmp_path)
    shutil.copytree(built[0] / "corpus", tmp_path / "corpus")
    settings = (tmp_path / "corpus/corpus.toml").read_text()
    (tmp_path / "corpus/corpus.toml").write_text(settings.replace(str(built[0]), str(tmp_path)))
    return Store(str(tmp_path / "corpus")), str(tmp_path / "corpus.toml"), built[1]


def _request(**options):
    return Request(**{"radius_bits": 12, **options})


def _take_down(store, **options):
    request = _request(**options)
    selection = select(store, request, read_settings(store)["pixels"])
    with owned(store):
        begin(store, request, selection, lambda release, sha256s: [])
        return complete(store)


def _latest(store):
    return Release(store.url("releases/small"))


def _shipped(release):
    tables = [release.store.read_table(shard_table_path(shard.name)) for shard in release.manifest.shards]
    return {row["record_id"] for table in tables for row in table.to_pylist()}


def _selected(store, **options):
    selection = select(store, _request(**options), read_settings(store)["pixels"])
    return {victim.record_id.removeprefix("test:"): victim.reason for victim in selection.victims}


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({"records": ("test:0",)}, {"0": "asked for"}),
        ({"urls": (f"{HOST}/0.jpg",)}, {"0": "asked for"}),
        ({"creators": ("Grace",)}, {"3": "asked for", "4": "asked for"}),
        ({"domains": ("other.example",)}, {}),
        ({"records": ("test:2",), "radius_bits": 0}, {"2": "asked for", "7": "equal bytes"}),
        ({"records": ("test:1",), "radius_bits": 0}, {"1": "asked for"}),
        ({"records": ("test:nobody",)}, {}),
    ],
)
def test_what_is_asked_for_goes_with_its_copies(built, options, chosen):
    assert _selected(built[1].store, **options) == chosen


def test_a_domain_takes_all_that_lies_there(built):
    assert set(_selected(built[1].store, domains=("pictures.example",))) == set("01234567")


def test_a_smaller_copy_is_near(built):
    chosen = _selected(built[1].store, records=("test:1",))
    assert chosen["1"] == "asked for"
    assert chosen["6"].startswith("near: ")
    assert set(chosen) == {"1", "6"}


def test_a_picture_from_outside_is_found_by_its_looks(built, tmp_path):
    outside = tmp_path / "mine.png"
    outside.write_bytes(_smaller("PNG"))
    assert set(_selected(built[1].store, pictures=(str(outside),))) == {"1", "6"}


def test_it_is_gone_from_everything_and_the_rest_is_whole(corpus):
    store, config, before = corpus
    victim = read_index(store, find_record(store, "test:2")["test:2"].pack)
    sha256 = {row["record_id"]: row["sha256"] for row in victim.to_pylist()}["test:2"]
    receipt = _take_down(store, records=("test:2",))
    release = _latest(store)
    assert list(verify(release)) == []
    assert _shipped(release) == _shipped(before) - {"test:2", "test:7"}
    assert receipt.releases == [{"name": "small", "before": before.version, "after": release.version}]
    folder = store.local_path("")
    left = [p for p in folder.rglob("*") if p.is_file() and sha256.encode() in p.read_bytes()]
    assert {p.relative_to(folder).parts[0] for p in left} <= {"receipts", "releases"}
    assert {p.name for p in left if "releases" in p.parts} <= {"samples.parquet"}
    assert not find_record(store, "test:2")
    assert build(config, workers=1).version == release.version


def test_the_old_version_says_what_took_its_place(corpus):
    store, _, before = corpus
    _take_down(store, records=("test:0",))
    with pytest.raises(CorpusError, match=f"withdrawn by takedown .*use version {_latest(store).version}"):
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
    receipt = _take_down(store, records=("test:0",))
    touched = {p for p, time in times.items() if not p.exists() or p.stat().st_mtime_ns != time}
    assert touched
    rooms = {p.relative_to(store.local_path("")).parts[:2] for p in touched if not p.name.startswith(pack)}
    assert rooms <= {("facts", "edges")}
    assert {shard["before"].rsplit("-", 2)[0] for shard in receipt.shards} == {pack}
    kept = {shard.name for shard in before.manifest.shards} & {shard.name for shard in _latest(store).manifest.shards}
    assert kept


def test_shards_are_those_of_a_corpus_that_never_had_it(corpus, tmp_path):
    store, _, _ = corpus
    _take_down(store, records=("test:3",))
    config = _write(tmp_path / "never")
    metadata = tmp_path / "never/metadata.tsv"
    metadata.write_text(
        "".join(line + "\n" for line in metadata.read_text().splitlines() if not line.startswith("3\t"))
    )
    never = build(str(config), workers=1)
    assert [(s.name, s.sha256) for s in _latest(store).manifest.shards] == [
        (s.name, s.sha256) for s in never.manifest.shards
    ]


def test_the_next_best_copy_is_promoted_when_only_equal_bytes_go(corpus):
    store, _, before = corpus
    assert "test:6" not in _shipped(before)
    _take_down(store, records=("test:1",), radius_bits=0)
    assert "test:6" in _shipped(_latest(store))


def test_a_caption_that_others_have_too_stays(corpus):
    store, _, _ = corpus
    _take_down(store, records=("test:0",), radius_bits=0)
    release = _latest(store)
    tables = [store.read_table(shard_table_path(shard.name)).to_pylist() for shard in release.manifest.shards]
    captions = {row["record_id"]: row["caption"] for rows in tables for row in rows}
    assert captions["test:5"] == "blobs number 0"


def test_it_cannot_come_back_by_another_source(corpus, tmp_path):
    store, config, _ = corpus
    _take_down(store, records=("test:1", "test:2"), creators=("Grace",))
    (tmp_path / "pictures/copy.png").write_bytes(_smaller("PNG"))
    shutil.copy(tmp_path / "pictures/2.jpg", tmp_path / "pictures/again.jpg")
    lines = [
        a_yfcc_line("x", f"{HOST}/copy.png"),
        a_yfcc_line("y", f"{HOST}/again.jpg"),
        a_yfcc_line("z", f"{HOST}/1.jpg"),
        a_yfcc_line("g", f"{HOST}/0.jpg", unickname="Grace"),
        a_yfcc_line("new", f"{HOST}/5.jpg?new"),
    ]
    (tmp_path / "more.tsv").write_text("".join(line + "\n" for line in lines))
    with open(config, "a") as file:
        file.write(f'[[sources]]\nname = "more"\nreader = "yfcc"\npath = "{tmp_path}/more.tsv"\nnum_packs = 1\n')
    release = build(config, workers=1)
    names = [name for name in release.manifest.papers if name.startswith("verdicts/")]
    verdicts = [row for name in names for row in store.read_table(f"{release.path}/{name}").to_pylist()]
    reasons = {row["record_id"]: row["reasons"] for row in verdicts if row["record_id"].startswith("more:")}
    assert set(reasons) == {"more:x", "more:y", "more:new"}
    assert reasons["more:x"] == reasons["more:y"] == ["fetch:denied"]
    rows = {row["record_id"]: row for row in read_index(store, "more-00000").to_pylist()}
    assert rows["more:x"]["sha256"] is rows["more:y"]["tar"] is None
    (unreadable,) = store.files("records/more", suffix=".unreadable.parquet")
    assert store.read_table(f"records/more/{unreadable}")["problem"].to_pylist() == ["taken down"] * 2


def test_another_corpus_can_hold_itself_to_the_same_denylist(corpus, tmp_path):
    store, _, _ = corpus
    config = _write(tmp_path / "other")
    config.write_text(
        config.read_text().replace('name = "test"', 'name = "else"').replace(HOST, "https://mirror.example")
    )
    metadata = tmp_path / "other/metadata.tsv"
    metadata.write_text(metadata.read_text().replace(HOST, "https://mirror.example"))
    before = build(str(config), workers=1)
    _take_down(store, records=("test:1",))
    config.write_text(f'denylists = ["{store.root}"]\n' + config.read_text())
    after = build(str(config), workers=1)
    assert _shipped(before) - _shipped(after) == {"else:1"}
    assert after.manifest.reasons["denied:taken-down"] == 2


@pytest.mark.parametrize("step", range(0, 60, 4))
def test_stopped_at_any_moment_it_is_completed_by_the_next(corpus, monkeypatch, step):
    store, config, _ = corpus
    request = _request(records=("test:1", "test:3"))
    selection = select(store, request, read_settings(store)["pixels"])
    begin(store, request, selection, lambda release, sha256s: [])
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        _stop_after(patch, step)
        complete(store)
    receipt = complete(store) if is_pending(store) else None
    assert not is_pending(store)
    release = _latest(store)
    assert list(verify(release)) == []
    assert _shipped(release) == {f"test:{i}" for i in (0, 2, 4, 5)}
    if receipt is not None:
        assert {row["record_id"] for row in receipt.removed} == {"test:1", "test:3", "test:6"}
        assert len(receipt.releases) == 1
    assert build(config, workers=1).version == release.version


def _stop_after(patch, step):
    """Raise at the `step`-th change of a file, before or after it is made."""
    left = [step]

    def stopping(change):
        def wrapped(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            result = change(*arguments, **options)
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return result

        return wrapped

    for name in ("write_bytes", "remove", "write_new"):
        patch.setattr(Store, name, stopping(getattr(Store, name)))


@pytest.mark.parametrize("step", [20, 50, 80, 110, 140])
def test_every_kept_version_is_made_again_and_the_newest_stays_the_newest(corpus, monkeypatch, step):
    store, config, first = corpus
    policy = Path(config).parent / "policy.toml"
    policy.write_text(policy.read_text() + "[caps]\nmax_per_creator = 3\n")
    second = build(config, workers=1)
    request = _request(records=("test:0", "test:1"))
    begin(store, request, select(store, request, read_settings(store)["pixels"]), lambda release, sha256s: [])
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        _stop_after(patch, step)
        complete(store)
    if is_pending(store):
        complete(store)
    versions = {
        version for version in store.folders("releases/small") if version not in (first.version, second.version)
    }
    assert len(versions) == 2
    assert all(list(verify(Release(store.url(f"releases/small/{version}")))) == [] for version in versions)
    for old in (first, second):
        assert set(store.files(old.path)) == {"manifest.json", "samples.parquet", "withdrawn.json"}
        assert store.files(f"{old.path}/verdicts") == []
    assert _latest(store).manifest.policy_digest == second.manifest.policy_digest
    assert build(config, workers=1).version == _latest(store).version


def test_an_unfinished_takedown_stops_a_build(corpus):
    store, config, _ = corpus
    request = _request(records=("test:0",))
    begin(store, request, select(store, request, read_settings(store)["pixels"]), lambda release, sha256s: [])
    with pytest.raises(CorpusError, match="takedown was begun and not completed"):
        build(config, workers=1)


def test_what_the_checkpoints_saw_is_in_the_receipt(corpus):
    store, _, before = corpus
    request = _request(records=("test:0",))
    selection = select(store, request, read_settings(store)["pixels"])
    begin(
        store,
        request,
        selection,
        lambda release, sha256s: [{"checkpoint": release.version, "times_seen": dict.fromkeys(sha256s, 3)}],
    )
    assert complete(store).checkpoints == [
        {"checkpoint": before.version, "times_seen": {selection.victims[0].sha256: 3}}
    ]


def test_a_release_of_which_nothing_is_left_is_withdrawn(corpus):
    store, _, before = corpus
    receipt = _take_down(store, domains=("pictures.example",))
    assert receipt.releases == [{"name": "small", "before": before.version, "after": None}]
    assert store.files("shards") == []
    with pytest.raises(CorpusError, match="no release small"):
        _latest(store)


def test_a_release_that_was_edited_by_hand_stops_it_and_nothing_is_done(corpus):
    store, _, before = corpus
    path = next(name for name in before.manifest.papers if name.startswith("verdicts/"))
    for name in before.manifest.papers:
        if name.startswith("verdicts/"):
            store.write_table(f"{before.path}/{name}", store.read_table(f"{before.path}/{name}").slice(0, 1))
    digest = tree_digest(store.local_path(""))
    with pytest.raises(CorpusError, match=f"{path.split('/')[0]}.*edited by hand"):
        _take_down(store, records=("test:0",))
    assert tree_digest(store.local_path("packs")) == tree_digest(store.local_path("packs"))
    assert not is_pending(store)
    store.remove("denylist/key")
    assert tree_digest(store.local_path("")) == digest


@pytest.mark.parametrize("damage", ["missing", "damaged", "no key", "another key"])
def test_nothing_is_built_without_the_denylist(corpus, damage):
    store, config, _ = corpus
    receipt = _take_down(store, records=("test:0",))
    path = f"denylist/{receipt.id}.parquet"
    match damage:
        case "missing":
            store.remove(path)
        case "damaged":
            store.write_bytes(path, store.read_bytes(path)[:-9])
        case "no key":
            store.remove("denylist/key")
        case "another key":
            store.write_bytes("denylist/key", b"0" * 64)
    with pytest.raises(CorpusError, match="restore it"):
        build(config, workers=1)


def test_the_denylist_tells_nothing(corpus):
    store, _, _ = corpus
    receipt = _take_down(store, records=("test:0",), creators=("Ada L.",))
    data = store.read_bytes(f"denylist/{receipt.id}.parquet")
    for word in (b"test:0", b"Ada", b"pictures.example", receipt.removed[0]["sha256"].encode()):
        assert word not in data
    assert not load_denylist(store).is_empty


def test_two_takedowns_do_not_share_a_corpus(corpus):
    store, _, _ = corpus
    with owned(store), pytest.raises(CorpusError, match="another build or takedown is at work"):
        _take_down(store, records=("test:0",))


def test_asking_for_nothing_is_an_error():
    with pytest.raises(ConfigError, match="name what to take down"):
        Request()
    with pytest.raises(ConfigError, match="0 to 31"):
        Request(records=("a",), radius_bits=64)


def test_a_picture_that_cannot_be_read_is_one_line(corpus, tmp_path):
    store, _, _ = corpus
    with pytest.raises(ConfigError, match="cannot read the picture"):
        _selected(store, pictures=(str(tmp_path / "nowhere.jpg"),))
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(BylineError, match="no picture"):
        _selected(store, pictures=(str(tmp_path / "text.jpg"),))


def test_the_receipt_is_readable_and_complete(corpus):
    store, _, _ = corpus
    receipt = _take_down(store, records=("test:2",))
    said = json.loads(store.read_bytes(f"receipts/{receipt.id}.json"))
    assert {row["record_id"]: row["reason"] for row in said["removed"]} == {
        "test:2": "asked for",
        "test:7": "equal bytes",
    }
    assert all(change["before_sha256"] != change["after_sha256"] for change in said["files"])
    rooms = {change["before"].split("/")[0] for change in said["files"]}
    assert rooms == {"records", "packs", "facts"}


@pytest.mark.slow
def test_it_is_gone_from_a_bucket_too(tmp_path, s3_root):
    config = _write(tmp_path)
    config.write_text(config.read_text().replace(f'root = "{tmp_path}/corpus"', f'root = "{s3_root}-taken-down"'))
    before = build(str(config), workers=1)
    shipped = _shipped(before)
    _take_down(before.store, records=("test:1", "test:2"))
    release = _latest(before.store)
    assert list(verify(release)) == []
    assert shipped - _shipped(release) == {"test:1", "test:2"}
    assert "test:7" not in _shipped(release)
    assert build(str(config), workers=1).version == release.version
    prints = {name: PHOTO.read_bytes() for name in ["photo"]}
    assert list(check_corpus(before.store, (), prints, lambda path, num_bytes: None)) == []
