"""Whatever is damaged in a release, `verify` names it."""

import hashlib
import json
import shutil
import subprocess

import pyarrow as pa
import pytest

from byline.catalog.corpora.manifest import Release
from byline.pipelines.beam.build import build
from byline.pipelines.releases.verify import verify
from tests.builders import a_corpus

pytestmark = pytest.mark.beam


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    build(str(a_corpus(folder, num_pictures=6, num_packs=1)), workers=1)
    return folder / "corpus"


@pytest.fixture
def release(built, tmp_path):
    """Return a copy of the release that a test may damage."""
    shutil.copytree(built, tmp_path / "corpus")
    return Release(str(tmp_path / "corpus/releases/small"))


def _problems(release):
    return "\n".join(verify(release))


def _shard(release):
    return release.store.local_path(f"shards/{release.manifest.shards[0].name}")


def _replace(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def test_a_whole_release_has_no_problems(release):
    assert _problems(release) == ""


def test_a_changed_picture_is_named(release):
    path = _shard(release)
    _replace(path, b"JFIF", b"JFIX")
    problems = _problems(release)
    assert f"{path.name}: its bytes are not those that the manifest lists" in problems
    assert "the picture's bytes are not those that were stored" in problems


def test_a_changed_caption_is_named(release):
    _replace(_shard(release), b"blobs number", b"blobs NUMBER")
    assert "the caption differs between txt and json" in _problems(release)


def test_a_missing_shard_is_named(release):
    path = _shard(release)
    path.unlink()
    assert f"{path.name}: missing" in _problems(release)


def test_a_cut_off_shard_is_named(release):
    path = _shard(release)
    path.write_bytes(path.read_bytes()[:-9000])
    assert f"{path.name} is not a readable tar" in _problems(release)


def test_a_file_that_nobody_listed_is_named(release):
    release.store.write_bytes(f"{release.path}/extra.txt", b"")
    assert "extra.txt: not listed in the manifest" in _problems(release)


def test_a_missing_checksum_file_is_named(release):
    release.store.local_path(f"{release.path}/SHA256SUMS").unlink()
    assert "SHA256SUMS: missing" in _problems(release)


def test_a_changed_manifest_is_named(release):
    _replace(release.store.local_path(f"{release.path}/manifest.json"), b'"name":"small"', b'"name":"other"')
    assert "manifest.json: its digest begins with" in _problems(Release(release.store.url(release.path)))


def _rewrite(release, path, change):
    table = release.store.read_table(f"{release.path}/{path}")
    rows = change(table.to_pylist())
    release.store.write_table(f"{release.path}/{path}", pa.Table.from_pylist(rows, schema=table.schema))


def test_a_shard_changed_with_its_checksum_is_named(release):
    path = _shard(release)
    _replace(path, b'"creator":"Ada L."', b'"creator":"Eve L."')
    sums = release.store.local_path(f"{release.path}/SHA256SUMS")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sums.write_text(sums.read_text().replace(release.manifest.shards[0].sha256, digest))
    problems = _problems(release)
    assert "SHA256SUMS: its bytes are not those that the manifest lists" in problems
    assert f"{path.name}: its bytes are not those that the manifest lists" in problems
    assert "creator is Ada L., the shard says Eve L." in problems


def test_a_shard_list_without_its_shards_is_named(release):
    release.store.write_bytes(f"{release.path}/shards-train.txt", b"")
    assert "shards-train.txt: its bytes are not" in _problems(release)


def test_sha256sum_checks_a_release_too(release):
    folder = release.store.local_path(release.path)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0


def test_a_verdict_that_contradicts_the_shard_is_named(release):
    _rewrite(release, "verdicts/test-00000.parquet", lambda rows: [{**row, "admitted": False} for row in rows])
    assert "is in a shard and not admitted" in _problems(release)


def test_a_missing_credit_is_named(release):
    _rewrite(release, "credits.parquet", lambda rows: rows[1:])
    assert "not credited" in _problems(release)


def test_a_credit_without_its_creator_is_named(release):
    _rewrite(release, "credits.parquet", lambda rows: [{**row, "creator": None} for row in rows])
    assert "CC-BY-4.0 asks for credit; no creator is known" in _problems(release)


def test_a_credit_to_nobody_that_an_older_byline_took_says_how_to_make_a_new_release(release):
    _rewrite(release, "credits.parquet", lambda rows: [{**row, "creator": "self"} for row in rows])
    told = "no creator is known, as words for nothing are read today; byline build CONFIG makes a release by them"
    assert told in _problems(release)


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_credit_lacks_what_the_releases_own_policy_requires(release, blank):
    _rewrite(release, "credits.parquet", lambda rows: [{**row, "title": blank} for row in rows])
    assert "no title is known" not in _problems(release)
    path = f"{release.path}/policy.json"
    policy = json.loads(release.store.read_bytes(path))
    policy["sources"] = {"test": {"credit": {"required": ["title"]}}}
    release.store.write_bytes(path, json.dumps(policy).encode())
    assert "CC-BY-4.0 asks for credit; no title is known" in _problems(release)


def test_an_unreadable_policy_is_named(release):
    release.store.write_bytes(f"{release.path}/policy.json", b"{}")
    assert "policy.json: cannot be read" in _problems(release)
