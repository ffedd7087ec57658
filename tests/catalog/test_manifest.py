import pytest

from byline.catalog.corpora.manifest import Manifest, Release, Shard, manifest_bytes
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError


def a_manifest():
    shard = Shard(
        name="p-train-0.tar",
        pack="p",
        split="train",
        sha256="0" * 64,
        table_sha256="0" * 64,
        num_samples=1,
        num_bytes=1,
    )
    empty = {key: {} for key in ("instruments", "counts", "reasons", "licenses", "records", "papers")}
    return Manifest(name="small", policy_digest="", shards=(shard,), **empty)


@pytest.mark.parametrize("root", ["corpus", "releases", "my-releases", "a/releases", "releases/releases"])
@pytest.mark.parametrize("ending", ["", "/", "/v1"])
def test_a_release_is_found_wherever_its_corpus_lies(tmp_path, root, ending):
    store = Store(str(tmp_path / root))
    store.write_bytes("releases/small/v1/manifest.json", manifest_bytes(a_manifest()))
    store.write_bytes("releases/small/LATEST", b"v1\n")
    release = Release(f"{tmp_path / root}/releases/small{ending}")
    assert (release.version, release.manifest) == ("v1", a_manifest())


@pytest.mark.parametrize("url", ["", "corpus", "corpus/releases", "corpus/releases/", "prereleases/x"])
def test_what_is_no_release_is_told(url):
    with pytest.raises(CorpusError, match="is not a release"):
        Release(url)


@pytest.mark.parametrize("name", ["../x.tar", "a/b.tar", "x", ".tar"])
def test_a_shard_cannot_name_a_file_elsewhere(name):
    with pytest.raises(ValueError, match="name"):
        Shard(name=name, pack="p", split="train", sha256="", table_sha256="", num_samples=1, num_bytes=1)


def test_a_damaged_manifest_is_told(tmp_path):
    Store(str(tmp_path)).write_bytes("releases/small/v1/manifest.json", b"{")
    with pytest.raises(CorpusError, match="is damaged"):
        Release(f"{tmp_path}/releases/small/v1")
