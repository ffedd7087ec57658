"""An export is whole or not there, and is the release that it was made from."""

import resource
import shutil
import subprocess
import tarfile

import pytest

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import ConfigError, CorpusError
from byline.diffusion.checkpoint import open_checkpoint
from byline.pipelines.releases.exporting.export import export
from byline.pipelines.releases.verify import verify
from byline.training.run import run
from byline.training.samples import Names, read_names, read_samples
from harness.run_configs import write_toml
from tests.builders import tree_digest
from tests.pipelines.releases.exporting.verbs import byline, url_of
from tests.training.builders import a_diffusion_run, an_autoencoder

pytestmark = pytest.mark.beam


@pytest.fixture
def damaged(release, tmp_path):
    """Return a release of which one shard is not what it was."""
    shutil.copytree(release.store.local_path(""), tmp_path / "corpus")
    shard = tmp_path / f"corpus/{release.shard_path(release.manifest.shards[-1])}"
    shard.write_bytes(shard.read_bytes().replace(b"JFIF", b"JFIX", 1))
    return Release(str(tmp_path / f"corpus/{release.path}"))


def test_it_is_the_release_it_was_made_from(release, exported):
    opened = Release(str(exported))
    assert (opened.name, opened.version, opened.manifest) == (release.name, release.version, release.manifest)
    assert list(verify(opened)) == []
    for shard in release.manifest.shards:
        samples = read_samples(release, shard)
        assert read_samples(opened, shard) == samples
        named = Names(sha256s=samples.sha256s, captions=samples.captions)
        assert read_names(opened, shard) == read_names(release, shard) == named


@pytest.mark.slow
@pytest.mark.parametrize("format", ["webdataset", "parquet"])
def test_a_model_trained_on_it_is_that_of_the_release_and_it_stays_as_it_was(format, release, tmp_path):
    exported = tmp_path / "export"
    export(release, str(exported), format=format)
    autoencoder, before = an_autoencoder(tmp_path / "vae"), tree_digest(exported)
    for name, place in (("here", url_of(release)), ("there", str(exported))):
        run(write_toml(tmp_path / f"{name}.toml", a_diffusion_run(place, tmp_path / name, autoencoder)))
    infos = [open_checkpoint(tmp_path / name)[1] for name in ("here", "there")]
    assert infos[0].files == infos[1].files
    assert infos[0].release_digest == infos[1].release_digest == release.manifest.digest
    assert tree_digest(exported) == before
    assert not (tmp_path / "facts").exists()


def test_everything_is_in_the_folder_and_sha256sum_says_so(exported, tmp_path):
    moved = exported.rename(tmp_path / "elsewhere")
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=moved, check=False)
    assert done.returncode == 0
    summed = {line.split("  ")[1] for line in (moved / "SHA256SUMS").read_text().splitlines()}
    there = {str(path.relative_to(moved)) for path in moved.rglob("*") if path.is_file()}
    assert there == summed | {"SHA256SUMS"}
    shards = [line for split in ("train", "heldout") for line in (moved / f"shards-{split}.txt").read_text().split()]
    assert shards
    for shard in shards:
        with tarfile.open(moved / shard) as tar:
            assert tar.getnames()
    assert ".." not in (moved / "croissant.json").read_text()


def test_it_depends_on_nothing_but_the_release(release, exported, tmp_path):
    export(Release(str(exported)), str(tmp_path / "of the export"))
    (tmp_path / "empty").mkdir()
    export(release, str(tmp_path / "empty") + "/")
    assert tree_digest(tmp_path / "of the export") == tree_digest(tmp_path / "empty") == tree_digest(exported)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("README.md", "README.md: its bytes are not those that the manifest lists"),
        ("croissant.json", "croissant.json: its bytes are not those that the manifest lists"),
        ("shards-train.txt", "shards-train.txt: its bytes are not those that the manifest lists"),
        ("export.json", "export.json is damaged"),
        ("shards/extra.tar", "shards/extra.tar: not listed in the manifest"),
    ],
)
def test_what_is_changed_in_it_is_named(path, said, exported):
    with (exported / path).open("ab") as file:
        file.write(b"shards/more.tar\n")
    done = byline("verify", exported)
    assert done.returncode in (1, 2)
    assert said in done.stdout + done.stderr


def test_a_shard_that_is_missing_is_named(release, exported):
    name = release.manifest.shards[0].name
    (exported / "shards" / name).unlink()
    assert f"{name}: missing; export the release again" in list(verify(Release(str(exported))))


def test_what_hubs_keep_beside_a_data_set_is_not_minded(exported):
    (exported / ".gitattributes").write_text("*.tar filter=lfs\n")
    assert list(verify(Release(str(exported)))) == []


def test_a_folder_that_is_not_empty_is_left_alone(release, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="mine is not empty; name a new folder"):
        export(release, str(tmp_path / "mine"))
    with pytest.raises(ConfigError, match=r"notes\.txt is a file; name a new folder"):
        export(release, str(tmp_path / "mine/notes.txt"))
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]


def test_an_export_is_not_written_over_another(release, exported):
    with pytest.raises(ConfigError, match="holds an export already"):
        export(release, str(exported))


def test_a_folder_inside_the_corpus_is_refused(release):
    with pytest.raises(ConfigError, match="is inside the corpus"):
        export(release, release.store.url("releases/exported"))


def test_a_damaged_release_leaves_nothing(damaged, tmp_path):
    with pytest.raises(CorpusError, match="is damaged: its bytes are not those that the manifest lists"):
        export(damaged, str(tmp_path / "out/export"))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_edited_manifest_leaves_nothing(release, tmp_path):
    shutil.copytree(release.store.local_path(""), tmp_path / "corpus")
    manifest = tmp_path / f"corpus/{release.path}/manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"name":"small"', b'"name":"other"'))
    with pytest.raises(CorpusError, match="was edited"):
        export(Release(str(tmp_path / f"corpus/{release.path}")), str(tmp_path / "export"))
    assert not (tmp_path / "export").exists()


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(release, tmp_path):
    def few_bytes():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = byline("export", url_of(release), tmp_path / "out/export", preexec_fn=few_bytes)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("byline: cannot write ")
    assert done.stderr.endswith("File too large\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unknown_format_is_one_line(release, tmp_path):
    done = byline("export", url_of(release), tmp_path / "export", "--format", "zip")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("byline: no format is called 'zip'; the formats are webdataset")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "export").exists()


def test_what_needs_the_corpus_says_so_of_an_export(exported):
    done = byline("recheck", exported)
    assert done.returncode == 2
    assert "is an export, and this needs the corpus that release small was built in" in done.stderr
